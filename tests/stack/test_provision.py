"""One deployment's host, from nothing to SSH, through what can happen to it, and away again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils import ssh_host_keys

if TYPE_CHECKING:
    import subprocess

    from tests.stack.conftest import Environment

PROVISION = "playbooks/provision.yml"
RECAP = re.compile(r"^(\S+) +: ok=.*? changed=(\d+).*? failed=(\d+)", re.MULTILINE)


def changed(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the number of changes of each host of a run that succeeded."""
    assert result.returncode == 0, result.stdout
    return {host: int(number) for host, number, _ in RECAP.findall(result.stdout)}


@pytest.fixture(scope="module")
def first(environment: Environment) -> subprocess.CompletedProcess[str]:
    """Provision the deployment, as verbosely as a person can ask for."""
    result = environment.play(PROVISION, "-vvv")
    assert result.returncode == 0, result.stdout
    return result


@pytest.fixture
def host(environment: Environment, first: subprocess.CompletedProcess[str]) -> str:
    """Return the deployment's only instance."""
    del first
    [instance] = environment.hosts()
    return instance


def test_check_mode_on_nothing_shows_the_stack_and_makes_nothing(environment: Environment) -> None:
    result = environment.play(PROVISION, "--check", "--diff")
    assert result.returncode == 0, result.stdout
    assert "+ create the host that runs the service (Host, AWS::EC2::Instance)" in result.stdout
    assert (environment.stacks(), environment.hosts(), environment.files.exists()) == (
        {},
        [],
        False,
    )


@pytest.mark.parametrize(("key_name", "code"), [("", 0), ("mine", 2)])
def test_the_private_key_has_to_be_here_only_for_a_named_pair(
    environment: Environment, key_name: str, code: int
) -> None:
    file = f"ssh_private_key_file={environment.files / 'ssh_key'}"
    result = environment.play(PROVISION, "--check", "-e", f"stack_key_name={key_name}", "-e", file)
    assert result.returncode == code, result.stdout
    assert ("nobody could log in" in result.stdout) is bool(key_name)


def test_the_first_run_says_each_step_in_plain_words(
    first: subprocess.CompletedProcess[str],
) -> None:
    assert "as arn:aws:iam::" in first.stdout
    assert re.search(r"s  creating +the host that runs the service", first.stdout)
    assert re.search(r"s  created +the fixed public address", first.stdout)


def test_the_private_key_is_the_owners_and_is_never_printed(
    environment: Environment, first: subprocess.CompletedProcess[str]
) -> None:
    key = environment.files / "ssh_key"
    assert (environment.files.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o700, 0o600)
    secret = key.read_text(encoding="utf-8").splitlines()[1]
    assert secret not in first.stdout


def test_the_host_is_in_the_inventory_and_answers(environment: Environment, host: str) -> None:
    graph = environment.run("ansible-inventory", "--graph").stdout
    assert re.search(rf"@grpc_servers:\s+\|  \|--{host}", graph)
    words = "{{ stack.Endpoint == ansible_host ~ ':50051' }} {{ stack.ServerName }}"
    debug = ["-m", "ansible.builtin.debug", "-a", json.dumps({"msg": words})]
    said = environment.run("ansible", "grpc_servers", *debug)
    assert f"True {environment.deployment}.internal" in said.stdout
    ping = environment.run("ansible", "grpc_servers", "--limit", host, "-m", "ansible.builtin.ping")
    assert (ping.returncode, "pong" in ping.stdout) == (0, True)


def test_neither_a_check_nor_a_second_run_changes_anything(
    environment: Environment, host: str
) -> None:
    result = environment.play(PROVISION, "--check", "--diff", "-e", "stack_instance_type=t3.small")
    assert result.returncode == 0, result.stdout
    assert "parameter InstanceType: 't3.micro' -> 't3.small'" in result.stdout
    assert environment.hosts() == [host]
    assert changed(environment.play(PROVISION)) == {host: 0, "localhost": 0}


def test_a_newer_image_does_not_replace_the_host_by_surprise(
    environment: Environment, host: str
) -> None:
    result = environment.play(PROVISION, "-e", "stack_image_id=ami-0a12c0c0a5e700001")
    assert changed(result)["localhost"] == 0
    assert environment.hosts() == [host]


def test_a_change_that_would_replace_the_host_is_refused(
    environment: Environment, host: str
) -> None:
    result = environment.play(PROVISION, "-e", "stack_root_volume_size=12")
    assert result.returncode != 0
    assert f"The host {host} would be replaced because of BlockDeviceMappings" in result.stdout
    assert "site.yml -e stack_replace_instance=true" in result.stdout
    assert environment.hosts() == [host]


def test_a_changed_host_key_stops_the_run(environment: Environment, host: str) -> None:
    path = environment.files / "known_hosts"
    known = ssh_host_keys.load(path)
    ssh_host_keys.save(path, {host: {**known[host], "ssh-ed25519": "A" * 68}})
    result = environment.play(PROVISION)
    ssh_host_keys.save(path, known)
    assert result.returncode != 0
    assert f"The SSH host key of {host} has changed (ssh-ed25519)" in result.stdout
    assert f"ssh-keygen -R {host} -f {path}" in result.stdout


def test_a_lost_folder_is_made_again(environment: Environment, host: str) -> None:
    before = ssh_host_keys.load(environment.files / "known_hosts")
    for file in environment.files.iterdir():
        file.unlink()
    result = environment.play(PROVISION)
    assert changed(result)["localhost"] == 2
    assert ssh_host_keys.load(environment.files / "known_hosts") == before == {host: before[host]}


def test_a_host_that_was_stopped_is_shown_as_such_and_started(
    environment: Environment, host: str
) -> None:
    ec2 = environment.client("ec2")
    ec2.stop_instances(InstanceIds=[host])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[host], WaiterConfig={"Delay": 1})
    graph = environment.run("ansible-inventory", "--graph")
    assert re.search(rf"@stopped:\s+\|  \|--{host}", graph.stdout)
    assert f"aws ec2 start-instances --region us-east-1 --instance-ids {host}" in graph.stderr
    assert changed(environment.play(PROVISION)) == {host: 0, "localhost": 1}


def test_a_replacement_that_is_asked_for_keeps_the_address(
    environment: Environment, host: str
) -> None:
    image = "stack_image_id=ami-0a12c0c0a5e700001"
    address = environment.client("ec2").describe_addresses()["Addresses"]
    result = environment.play(PROVISION, "-e", image, "-e", "stack_replace_instance=true")
    assert result.returncode == 0, result.stdout
    [other] = environment.hosts()
    after = environment.client("ec2").describe_addresses()["Addresses"]
    assert other != host
    assert [item["PublicIp"] for item in after] == [item["PublicIp"] for item in address]
    assert list(ssh_host_keys.load(environment.files / "known_hosts")) == [other]


def aws(environment: Environment) -> dict[str, str]:
    """Let the same API look like one that is not on this machine."""
    config = environment.inventory / "cloudformation_stack.yml"
    local = config.read_text(encoding="utf-8")
    config.write_text(local.replace(environment.cloud.endpoint, "http://aws.example"))
    return {"HTTP_PROXY": environment.cloud.endpoint, "restore": local}


def test_against_aws_a_removal_lists_what_would_go_and_asks_for_a_confirmation(
    environment: Environment, host: str
) -> None:
    del host
    [instance] = environment.hosts()
    elsewhere = aws(environment)
    proxy = {"HTTP_PROXY": elsewhere["HTTP_PROXY"]}
    result = environment.run("ansible-playbook", "teardown.yml", **proxy)
    (environment.inventory / "cloudformation_stack.yml").write_text(elsewhere["restore"])
    assert result.returncode != 0
    assert f"would go      the host that runs the service  {instance}" in result.stdout
    assert f"teardown.yml -e confirm={environment.deployment}" in result.stdout
    assert environment.hosts() == [instance]


def test_check_mode_of_a_removal_lists_and_keeps_everything(
    environment: Environment, host: str
) -> None:
    result = environment.play("teardown.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout
    assert f"would go      the host that runs the service  {host}" in result.stdout
    assert (environment.hosts(), environment.files.exists()) == ([host], True)


def test_a_removal_needs_no_files_gives_a_receipt_and_may_be_repeated(
    environment: Environment, host: str
) -> None:
    for file in environment.files.iterdir():
        file.unlink()
    result = environment.play("teardown.yml")
    assert result.returncode == 0, result.stdout
    assert f"removed       the host that runs the service  {host}" in result.stdout
    assert f"AWS says that nothing of {environment.deployment} is left" in result.stdout
    assert (environment.stacks(), environment.hosts(), environment.files.exists()) == (
        {},
        [],
        False,
    )
    again = environment.play("teardown.yml")
    assert changed(again) == {"localhost": 0}
    assert f"the stack {environment.deployment} is already gone" in again.stdout


def test_something_left_by_a_removal_is_named_with_its_command(environment: Environment) -> None:
    ec2 = environment.client("ec2")
    tags = [{"Key": "Deployment", "Value": environment.deployment}]
    specification = [{"ResourceType": "security-group", "Tags": tags}]
    group = ec2.create_security_group(
        GroupName="forgotten", Description="test", TagSpecifications=specification
    )["GroupId"]
    result = environment.play("teardown.yml")
    ec2.delete_security_group(GroupId=group)
    assert result.returncode != 0
    assert f"aws ec2 delete-security-group --group-id {group}" in result.stdout
