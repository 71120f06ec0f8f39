"""What runs, what would change, what was logged: asked of one deployed host. The order matters."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.aws_cloud import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef

REFLECTION = json.dumps({"release_settings": {"SERVER_REFLECTION": "true"}})
UNIT = "/etc/systemd/system/saudacao@.service"
WATCH = "/etc/systemd/system/saudacao-watch.service"
JOURNAL = "/var/lib/saudacao/journal.jsonl"
LEFT = (
    '{"id": "x", "event": "begin", "at": "2026-11-25T17:41:56Z", "action": "rotate", "by": "ana"}'
)
EVERYTHING = "find /etc /opt /var/lib/saudacao -type f -printf '%p %T@ %s\\n' | sort | sha256sum"
ANYBODY: "IpPermissionTypeDef" = {
    "IpProtocol": "tcp",
    "FromPort": 8080,
    "ToPort": 8081,
    "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
}


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Iterator[Environment]:
    environment = new_environment("knowing")
    environment.playbook("site.yml")
    yield environment
    cloud_of(environment).cloudformation.delete_stack(StackName="knowing")


def cloud_of(environment: Environment) -> Cloud:
    """Return the AWS API as somebody outside of the project uses it."""
    keys = {"region": "us-east-1", "access_key": "local", "secret_key": "local"}
    return Cloud({"endpoint_url": environment.cloud.endpoint, **keys})


def status(environment: Environment, *options: str, expect: int) -> dict[str, Any]:
    """Ask for the status; standard error follows the JSON when something is wrong."""
    run = environment.playbook(
        "playbooks/status.yml", "--extra-vars", "format=json", *options, expect=expect
    )
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(run.output[run.output.index("{") :])[0]
    return answer


def findings(answer: dict[str, Any]) -> str:
    return "\n".join("{where}: {what} > {next}".format(**item) for item in answer["findings"])


def test_what_was_just_deployed_is_healthy(environment: Environment) -> None:
    """The text says so in its first line; the JSON has a host's figures and is kept."""
    text = environment.playbook("playbooks/status.yml").output
    assert text.startswith("knowing (knowing): healthy\n"), text
    answer = json.loads((environment.state / "status.json").read_text())
    (host,) = answer["hosts"].values()
    assert answer["service"]["serving"] is True
    assert host["calls"]["calls"] >= 200
    assert host["calls"]["p99_ms"] > 0
    assert host["certificates"]["server"] > 80
    assert host["deployed"]["action"] == "deploy"
    assert host["deployed"]["by"]
    assert host["interrupted"] == []
    assert host["drift"] == {
        "recorded": True, "manifest": True, "edited": [], "files": {}, "packages": {}
    }  # fmt: skip


def test_the_report_is_one_page_on_all_of_it(environment: Environment) -> None:
    """It has the calls, the run and the proof of the deployment, and no key."""
    said = environment.playbook("playbooks/report.yml").output
    page = (environment.state / "report.html").read_text()
    assert said == f"knowing (knowing) is healthy\nthe page: {environment.state}/report.html\n"
    status = json.loads((environment.state / "status.json").read_text())
    ((host, answer),) = status["hosts"].items()
    release = answer["status"]["release"]
    for words in (host, release, "t3.micro", "✓ done", "each with its right reply", "✓ passed"):
        assert words in page, words
    assert 'class="area r0" d="M' in page
    keys = [*(environment.state / "certificates").glob("*.key"), environment.state / "ssh_key"]
    assert keys
    assert not [key for key in keys if key.read_text().splitlines()[1] in page]


def test_the_log_of_one_call_is_found_by_its_id(environment: Environment) -> None:
    probe = environment.run("saudacao-client", "--json", "--count", "3")
    (wanted, *_) = json.loads(probe.output)["request_ids"]
    run = environment.playbook(
        "playbooks/logs.yml", "-e", f"request_id={wanted}", "-e", "format=json", "-e", "since=-1h"
    )
    (entry,) = json.loads(run.output)
    assert entry["fields"]["request_id"] == wanted
    assert entry["fields"]["code"] == "OK"


def test_hostile_words_reach_no_shell(environment: Environment) -> None:
    """The playbook refuses them; a host that is asked directly takes them for what they are."""
    hostile = json.dumps({"since": "$(touch /tmp/hostile)", "request_id": "'; touch /tmp/hostile"})
    run = environment.playbook("playbooks/logs.yml", "--extra-vars", hostile, expect=2)
    assert "The log cannot be asked for that" in run.output
    switch = "/usr/local/sbin/grpc-switch logs --request-id '$(touch /tmp/hostile)'"
    assert environment.on_host(f"{switch} && test ! -e /tmp/hostile") == "[]\n"


def test_make_plan_ends_with_0_when_there_is_nothing_to_do(environment: Environment) -> None:
    run = environment.run("make", "plan")
    assert (run.code, "has nothing to do" in run.output) == (0, True), run.output


def test_make_plan_ends_with_2_when_there_are_changes_and_makes_none(
    environment: Environment,
) -> None:
    before = environment.on_host(EVERYTHING)
    run = environment.run("make", "plan", f"ARGS=--extra-vars '{REFLECTION}'")
    assert run.code == 2, run.output
    plan = json.loads((environment.state / "plan.json").read_text())
    (lines,) = plan["hosts"].values()
    assert re.fullmatch(r"switch from 0\.1\.0-\w+ to 0\.1\.0-\w+", lines[-1])
    assert '+ SERVER_REFLECTION="true"' in plan["release"]["differences"]
    assert environment.on_host(EVERYTHING) == before


def test_make_shell_opens_a_shell_on_the_host(environment: Environment) -> None:
    run = environment.run("bash", "-c", "echo 'sudo id -un; hostname' | make shell")
    assert run.code == 0, run.output
    assert "root\nip-" in run.output


@pytest.fixture
def damage(environment: Environment) -> Iterator[None]:
    """Edit the unit, a module of the release and a package's record; mask, interrupt, open."""
    environment.on_host(
        f"cp -p {UNIT} /root/unit && echo '# edited' >> {UNIT} && cp -a {WATCH} /root/watch"
        f" && ln -sf /dev/null {WATCH} && echo '{LEFT}' >> {JOURNAL}"
        " && echo '# edited' >> $(ls /opt/saudacao/releases/*/venv/lib/python*/*/saudacao/names.py)"
        ' && sed -i \'s/"nftables": "/&0./\' /var/lib/saudacao/deployed.json'
    )
    cloud = cloud_of(environment)
    described = cloud.cloudformation.describe_stacks(StackName="knowing")["Stacks"][0]
    outputs = {
        item.get("OutputKey"): item.get("OutputValue", "") for item in described.get("Outputs", [])
    }
    ec2, group = cloud.ec2, outputs["SecurityGroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ANYBODY])
    yield
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ANYBODY])
    environment.on_host(f"mv /root/unit {UNIT} && mv -fT /root/watch {WATCH}")


@pytest.mark.usefixtures("damage")
def test_each_drift_is_named(environment: Environment) -> None:
    found = findings(status(environment, expect=2))
    assert f"{UNIT} was edited" in found
    assert f"{WATCH} was edited" in found
    assert "package nftables: 0." in found
    assert "saudacao/names.py: edited" in found
    assert "the rotate of 2026-11-25T17:41:56Z by ana was interrupted" in found
    assert "also lets in tcp 8080-8081 from 0.0.0.0/0" in found
    assert "revoke-security-group-ingress" in found


def test_a_host_that_cannot_be_reached_is_a_finding(environment: Environment) -> None:
    unknown = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
    stranger = json.dumps({"ansible_ssh_common_args": unknown, "ansible_control_path": "none"})
    answer = status(environment, "--extra-vars", stranger, expect=2)
    assert "it cannot be reached" in findings(answer)
    assert answer["service"]["serving"] is True


def test_a_stopped_service_is_a_finding(environment: Environment) -> None:
    environment.on_host("systemctl stop 'saudacao@*'")
    found = findings(status(environment, expect=2))
    assert "service: " in found
    assert "the release in use is inactive" in found


def test_a_deployment_without_a_stack_is_said_so(new_environment: EnvironmentFactory) -> None:
    found = findings(status(new_environment("nothing"), expect=2))
    assert found.startswith("stack: there is none > ansible-playbook")
