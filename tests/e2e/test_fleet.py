"""A fleet: its hosts configure themselves, change one after another, and go. The order matters."""

import io
import json
import re
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.aws_cloud import Cloud as Aws
from plugins.module_utils.fleet import Fleet
from plugins.module_utils.release_bucket import ReleaseBucket
from tests.conftest import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment
from tests.e2e.fleet import Hosts, until

# Connections move to the new release, and away from a host that leaves, within this many seconds.
# gRPC takes up to a tenth more for one of them.
AGE_SECONDS = 2
AGE = {"SERVER_MAX_CONNECTION_AGE": str(AGE_SECONDS)}
LONGEST_AGE_SECONDS = 1.1 * AGE_SECONDS
REFLECTION = json.dumps({"release_settings": AGE | {"SERVER_REFLECTION": "true"}})
STATUS = re.compile(r"^(i-[0-9a-f]+) \|.*?\(stdout\) (\{.*\})$", re.MULTILINE)
WITNESSED = re.compile(r"the client on i-[0-9a-f]+ made [1-9]\d* calls meanwhile, all right")
FAILS_ON_THE_LAST = [
    {
        "name": "Fail on the host that comes last",
        "ansible.builtin.fail": {"msg": "this host does not like it"},
        "when": [
            "inventory_hostname == groups.grpc_servers | last",
            "hook.outcome == 'done'",
        ],
    }
]


@pytest.fixture(scope="session")
def is_wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--fleet"):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/e2e/test_fleet.py")


@pytest.fixture(scope="module")
def environment(is_wanted: None, new_environment: EnvironmentFactory, cloud: Cloud) -> Environment:
    del is_wanted
    return new_environment(
        "fleet",
        topology="fleet",
        release_settings=AGE,
        stack_vpc_cidr=f"{cloud.octets}.64.0/20",
        stack_draining_seconds=5,
        grpc_client_rate=5,
    )


@pytest.fixture(scope="module")
def aws(environment: Environment) -> Aws:
    keys = {"region": "us-east-1", "access_key": "local", "secret_key": "local"}
    return Aws({"endpoint_url": environment.cloud.endpoint, **keys})


def outputs(aws: Aws) -> dict[str, str]:
    [stack] = aws.cloudformation.describe_stacks(StackName="fleet")["Stacks"]
    return {item.get("OutputKey", ""): item.get("OutputValue", "") for item in stack["Outputs"]}


def fleet(aws: Aws) -> Fleet:
    stack = outputs(aws)
    return Fleet(aws, stack["AutoScalingGroupName"], stack["TargetGroupArn"], print)


def named(aws: Aws) -> dict[str, Any]:
    bucket = outputs(aws)["ReleaseBucket"]
    return ReleaseBucket(aws, bucket, "fleet", check=True, say=print).current()


def running(environment: Environment) -> dict[str, dict[str, Any]]:
    """What `grpc-switch status` answers on each host."""
    command = (
        "-b",
        "-o",
        "-m",
        "ansible.builtin.command",
        "-a",
        "/usr/local/sbin/grpc-switch status",
    )
    run = environment.run("ansible", "grpc_servers", *command)
    assert run.code == 0, run.output
    return {host: json.loads(answer) for host, answer in STATUS.findall(run.output)}


def test_site_makes_hosts_that_configure_themselves(environment: Environment, aws: Aws) -> None:
    """Each host takes its release from the bucket; the control node finds nothing to change."""
    run = environment.playbook("site.yml")
    _, members = fleet(aws).members()
    assert [member.is_ready for member in members] == [True, True]
    assert {run.changed[member.instance] for member in members} == {0}
    zones = {
        instance["Placement"]["AvailabilityZone"]
        for member in members
        for found in aws.ec2.describe_instances(InstanceIds=[member.instance])["Reservations"]
        for instance in found["Instances"]
    }
    assert len(zones) == 2
    greeting = environment.run("saudacao-client", "Leonardo")
    assert (greeting.code, greeting.output) == (0, "Olá, Leonardo!\n")


def test_a_second_run_changes_nothing(environment: Environment) -> None:
    run = environment.playbook("site.yml")
    assert len(run.changed) >= 3
    assert set(run.changed.values()) == {0}


def test_no_key_is_in_the_bucket_or_in_user_data(environment: Environment, aws: Aws) -> None:
    lines = (environment.state / "certificates/server.key").read_text().splitlines()[1:-1]
    bucket = outputs(aws)["ReleaseBucket"]
    bundle = aws.s3.get_object(Bucket=bucket, Key=named(aws)["bundle"])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        files = [tar.extractfile(member) for member in tar if member.isfile()]
        unpacked = b"".join(file.read() for file in files if file)
    console = [
        aws.ec2.get_console_output(InstanceId=member.instance)["Output"]
        for member in fleet(aws).members()[1]
    ]
    assert all("configure" in one and "is in use" in one for one in console)
    texts = (unpacked, *(text.encode() for text in console))
    assert unpacked
    assert not [line for line in lines if any(line.encode() in text for text in texts)]


def test_a_fleet_never_becomes_one_host(environment: Environment) -> None:
    run = environment.playbook("playbooks/provision.yml", "-e", "topology=single", expect=2)
    assert "nothing was changed" in run.output
    assert "Set topology: fleet again" in run.output
    assert set(run.changed.values()) == {0}


def test_a_host_that_fails_takes_the_others_back(
    environment: Environment, aws: Aws, tmp_path: Path
) -> None:
    """The first host has the release already when the second fails; clients notice nothing."""
    before = {host: status["release"] for host, status in running(environment).items()}
    hook = tmp_path / "hook.yml"
    hook.write_text(yaml.safe_dump(FAILS_ON_THE_LAST))
    with environment.calling() as report:
        run = environment.playbook(
            "playbooks/deploy.yml", "-e", REFLECTION, "-e", f"hook_after_deploy={hook}", expect=2
        )
    assert "this host does not like it" in run.output
    assert "went back too" in run.output
    assert {host: status["release"] for host, status in running(environment).items()} == before
    assert {named(aws)["release"]} == set(before.values())
    assert (report["failed"], report["wrong"]) == (0, 0)
    assert len(report["releases"]) == 2


def test_a_changed_setting_reaches_every_host_without_losing_a_call(
    environment: Environment, aws: Aws
) -> None:
    before = named(aws)["release"]
    with environment.calling() as report:
        run = environment.playbook("playbooks/deploy.yml", "-e", REFLECTION)
    after = {status["release"] for status in running(environment).values()}
    assert after == {named(aws)["release"]}
    assert before not in after
    assert set(report["releases"]) == {before, *after}
    assert len(WITNESSED.findall(run.output)) == 2
    assert (report["failed"], report["wrong"]) == (0, 0)


def test_a_new_host_gets_its_share_within_one_connection_age(environment: Environment) -> None:
    """Of eight clients' calls, each over a connection that lasts; none gets much more than that."""
    hosts = Hosts(environment)
    before = hosts.staying()
    clients = environment.start(
        *("saudacao-client", "--json", "--concurrency=8", "--rate=80", "--duration=600")
    )
    try:
        environment.playbook("playbooks/provision.yml", "-e", "stack_desired_size=3")
        until(hosts.are_whole, "a third host takes calls", 180)
        # Time itself is the condition: connections go where they are until their age is over.
        time.sleep(LONGEST_AGE_SECONDS)
        begun = hosts.calls()
        time.sleep(2 * LONGEST_AGE_SECONDS)
        calls = {host: count - begun[host] for host, count in hosts.calls().items()}
    finally:
        clients.send_signal(signal.SIGINT)
        output, _ = clients.communicate(timeout=30)
    environment.playbook("playbooks/provision.yml", "-e", "stack_desired_size=2")
    until(hosts.are_at_rest, "a host has left", 180)
    share = sum(calls.values()) / 3
    [new] = calls.keys() - before
    assert calls[new] >= share / 1.5, calls
    assert max(calls.values()) <= 1.5 * share, calls
    report = json.loads(output.splitlines()[0])
    assert (report["failed"], report["wrong"]) == (0, 0)


def test_the_fleets_own_client_calls_all_the_time(environment: Environment, aws: Aws) -> None:
    environment.playbook("playbooks/status.yml", "-e", "format=json")
    answer = json.loads((environment.state / "status.json").read_text())
    [client] = answer["clients"].values()
    assert client["release"] == named(aws)["release"]
    assert client["calls"] > 0
    assert (client["failed"], client["wrong"]) == (0, 0)


def test_all_hosts_go_back_at_once_when_the_inventory_says_so(
    environment: Environment, aws: Aws
) -> None:
    """As `fleet_batch` in the inventory's group_vars asks for."""
    before = named(aws)["release"]
    variables = environment.inventory / "group_vars/all.yml"
    text = variables.read_text()
    variables.write_text(f"{text}fleet_batch: 100%\n")
    with environment.calling() as report:
        run = environment.playbook("playbooks/rollback.yml")
    variables.write_text(text)
    assert len(re.findall(r"^PLAY \[Go back", run.output, re.MULTILINE)) == 1
    assert {status["release"] for status in running(environment).values()} == {
        named(aws)["release"]
    }
    assert named(aws)["release"] != before
    assert (report["failed"], report["wrong"]) == (0, 0)


def test_new_certificates_reach_hosts_and_client(environment: Environment, aws: Aws) -> None:
    with environment.calling() as report:
        environment.playbook("playbooks/rotate_certificates.yml")
    assert (report["failed"], report["wrong"]) == (0, 0)
    path = "/etc/saudacao-client/tls/client.crt"
    command = ("-b", "-m", "ansible.builtin.command", "-a", f"cat {path}")
    run = environment.run("ansible", "grpc_clients", *command)
    certificate = (environment.state / "certificates/client.crt").read_text()
    assert certificate.strip() in run.output
    published = aws.ssm.get_parameter(Name="/fleet/client-tls/client.crt", WithDecryption=True)
    assert published["Parameter"].get("Value") == certificate
    tags = aws.ssm.list_tags_for_resource(
        ResourceType="Parameter", ResourceId="/fleet/client-tls/client.crt"
    )
    assert tags["TagList"] == [{"Key": "Deployment", "Value": "fleet"}]


def test_logs_of_all_hosts_are_one(environment: Environment) -> None:
    run = environment.playbook("playbooks/logs.yml", "-e", "lines=50")
    assert {host for host in running(environment) if host in run.output} == {*running(environment)}


def test_new_hosts_come_before_old_ones_leave(environment: Environment, aws: Aws) -> None:
    before = {member.instance for member in fleet(aws).members()[1]}
    with environment.calling() as report:
        environment.playbook("playbooks/replace_hosts.yml")
    after = {member.instance for member in fleet(aws).members()[1] if member.is_ready}
    assert len(after) == len(before)
    assert not before & after
    assert (report["failed"], report["wrong"]) == (0, 0)


def test_a_host_that_is_lost_is_replaced_by_one_of_the_same_release(
    environment: Environment, aws: Aws
) -> None:
    """Nobody does anything: the group launches it, and it configures itself."""
    _, [lost, stays] = fleet(aws).members()
    aws.ec2.terminate_instances(InstanceIds=[lost.instance])
    aws.ec2.get_waiter("instance_terminated").wait(InstanceIds=[lost.instance])
    members = {member.instance for member in fleet(aws).ready(180)}
    assert stays.instance in members
    assert lost.instance not in members
    environment.playbook("playbooks/verify.yml")


def test_teardown_takes_bucket_and_parameters_too(environment: Environment, aws: Aws) -> None:
    bucket = outputs(aws)["ReleaseBucket"]
    run = environment.playbook("teardown.yml")
    for what in ("current.json", "/fleet/tls/server.key", bucket):
        assert re.search(rf"removed .* {re.escape(what)}$", run.output, re.MULTILINE), what
    assert "nothing of fleet is left" in run.output
    assert bucket not in {one["Name"] for one in aws.s3.list_buckets()["Buckets"]}
