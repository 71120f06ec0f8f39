"""A fleet whose hosts cannot configure themselves, runs that meet on it, and its second witness.

The order matters.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.aws_cloud import Cloud as Aws
from plugins.module_utils.fleet import Fleet
from plugins.module_utils.fleet_failures import Failures
from plugins.module_utils.fleet_lock import FleetLock
from tests.conftest import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment

NAME = "runs"
AGE = {"SERVER_MAX_CONNECTION_AGE": "2"}
REFLECTION = {"release_settings": AGE | {"SERVER_REFLECTION": "true"}}
GRACE, MOST_FAILURES, LEASE = 60, 3, 10
# On a busy machine a host that is all right may take longer than that.
LONG_GRACE = 900
IN_THE_HOOK = "TASK [grpc_server : Run the hook before the change]"
IN_THE_PROOF = "TASK [grpc_server : Let the release be called]"
# Names a bundle that the bucket does not have.
BROKEN = {"release": "r0", "bundle": "configure/none.tar.gz", "bundle_sha256": "0"}
REFUSED = re.compile(
    r"\S+ on \S+ holds the fleet's lock since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC for: deploy\."
    r" It lapses in \d+ s unless that run renews it\. Nothing was changed"
)
OTHERS = ("site.yml", "playbooks/replace_hosts.yml", "playbooks/rollback.yml",
          "playbooks/rotate_certificates.yml", "teardown.yml")  # fmt: skip
# On the client's host: its calls are answered with a reset, those of others are not touched.
CUT = "nft 'add table inet cut; add chain inet cut out { type filter hook output priority 0; };"
CUT += " add rule inet cut out tcp dport 50051 reject with tcp reset'"
MEND = "nft delete table inet cut"


@pytest.fixture(scope="session")
def is_wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--fleet"):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/e2e/test_fleet_runs.py")


@pytest.fixture(scope="module")
def environment(is_wanted: None, new_environment: EnvironmentFactory, cloud: Cloud) -> Environment:
    del is_wanted
    return new_environment(
        NAME,
        topology="fleet",
        release_settings=AGE,
        stack_vpc_cidr=f"{cloud.octets}.80.0/20",
        stack_draining_seconds=5,
        stack_grace_seconds=GRACE,
        stack_most_failures=MOST_FAILURES,
        grpc_client_rate=5,
        grpc_server_lease_seconds=LEASE,
    )


@pytest.fixture(scope="module")
def aws(environment: Environment) -> Aws:
    keys = {"region": "us-east-1", "access_key": "local", "secret_key": "local"}
    return Aws({"endpoint_url": environment.cloud.endpoint, **keys})


def outputs(aws: Aws) -> dict[str, str]:
    [stack] = aws.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    return {item.get("OutputKey", ""): item.get("OutputValue", "") for item in stack["Outputs"]}


def fleet(aws: Aws) -> Fleet:
    stack = outputs(aws)
    return Fleet(aws, stack["AutoScalingGroupName"], stack["TargetGroupArn"], print)


def failures(aws: Aws) -> Failures:
    stack = outputs(aws)
    return Failures(aws, stack["ReleaseBucket"], stack["AutoScalingGroupName"])


def lock(aws: Aws) -> FleetLock:
    return FleetLock(aws.s3, outputs(aws)["ReleaseBucket"])


def named(aws: Aws) -> str:
    found = aws.s3.get_object(Bucket=outputs(aws)["ReleaseBucket"], Key="current.json")
    return str(json.loads(found["Body"].read())["release"])


def answer(environment: Environment, expect: int = 0) -> dict[str, Any]:
    """What status.yml answers."""
    environment.playbook("playbooks/status.yml", "-e", "format=json", expect=expect)
    found: dict[str, Any] = json.loads((environment.state / "status.json").read_text())
    return found


def releases(environment: Environment, group: str = "grpc_servers") -> set[str]:
    """What runs on each host of a group, as its unit says."""
    unit = "saudacao-client" if group == "grpc_clients" else "saudacao@*"
    command = f"systemctl show --property=ExecStart --value {unit} --state=active"
    run = environment.run("ansible", group, "-b", "-m", "ansible.builtin.command", "-a", command)
    assert run.code == 0, run.output
    return set(re.findall(r"releases/([\w.-]+)/", run.output))


def on_client(environment: Environment, command: str) -> None:
    run = environment.run(
        "ansible", "grpc_clients", "-b", "-m", "ansible.builtin.shell", "-a", command
    )
    assert run.code == 0, run.output


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(1)


def start_until(environment: Environment, task: str, *run: str) -> "subprocess.Popen[str]":
    """Start a run, and return when it begins a task."""
    process = environment.start("ansible-playbook", *run)
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith(task):
            return process
    raise AssertionError(f"{task} was not reached:\n{output[-4000:]}")


@contextmanager
def waiting(
    environment: Environment, folder: Path, variables: dict[str, Any]
) -> Iterator["subprocess.Popen[str]"]:
    """A deployment of other settings that waits in its hook, on the first host."""
    gate, hook = folder / "gate", folder / "hook.yml"
    wait = {"ansible.builtin.wait_for": {"path": str(gate), "timeout": 600}}
    task = {"name": "Wait for the test", **wait, "delegate_to": "localhost", "become": False}
    hook.write_text(yaml.safe_dump([task]))
    given = json.dumps(variables | {"hook_before_deploy": str(hook)})
    process = start_until(environment, IN_THE_HOOK, "playbooks/deploy.yml", "-e", given)
    try:
        yield process
    finally:
        gate.touch()
        process.communicate(timeout=400)


def test_hosts_that_cannot_configure_themselves_are_replaced_so_many_times_and_no_more(
    environment: Environment, aws: Aws
) -> None:
    environment.playbook("playbooks/provision.yml")
    bucket = outputs(aws)["ReleaseBucket"]
    aws.s3.put_object(Bucket=bucket, Key="current.json", Body=json.dumps(BROKEN).encode())
    first = {member.instance for member in fleet(aws).members()[1]}
    until(lambda: not failures(aws).is_replaced(), "the group stops", 4 * GRACE)
    # The hosts of the last attempt fail at about the same time.
    until(lambda: len(failures(aws).instances()) == 4, "both have said so", GRACE)
    members = {member.instance for member in fleet(aws).members()[1]}
    assert not first & members
    assert set(failures(aws).instances()) == first | members
    until(lambda: "unhealthy" in {one.health for one in fleet(aws).members()[1]}, "they fail", 60)
    deadline = time.monotonic() + GRACE + 20
    while time.monotonic() < deadline:
        assert {member.instance for member in fleet(aws).members()[1]} == members
        time.sleep(5)


def test_status_says_why_without_a_login(environment: Environment, aws: Aws) -> None:
    found = answer(environment, expect=2)
    said = {finding["what"] for finding in found["findings"] if finding["where"] == "fleet"}
    last = failures(aws).described()[-1]
    assert (
        f"4 hosts in a row could not configure themselves, the last, {last['instance']}, at"
        f" {last['at']}: it could not be fetched; the group replaces no host any more"
    ) in said
    assert any("fetching configure/none.tar.gz" in line for line in last["console"])


def test_a_deployment_mends_them_and_lets_the_group_replace_hosts_again(
    environment: Environment, aws: Aws
) -> None:
    environment.playbook("site.yml", "-e", f"stack_grace_seconds={LONG_GRACE}")
    assert failures(aws).instances() == []
    assert failures(aws).is_replaced()
    assert answer(environment)["healthy"] is True


def test_a_second_run_is_told_who_changes_the_fleet(
    environment: Environment, aws: Aws, tmp_path: Path
) -> None:
    """The first one lives longer than its lease, so it has renewed it; then it ends well."""
    before = len(lock(aws).runs())
    with waiting(environment, tmp_path, REFLECTION) as first:
        taken = lock(aws).holder()
        assert taken
        for other in OTHERS:
            refused = environment.playbook(other, expect=2)
            assert REFUSED.search(" ".join(refused.output.split())), refused.output
            assert set(refused.changed.values()) == {0}
        assert time.time() > taken["since"] + LEASE
        held = answer(environment)["fleet"]["lease"]
        assert (held["id"], held["action"]) == (taken["id"], "deploy")
        plan = environment.playbook("playbooks/plan.yml", "-e", json.dumps(REFLECTION))
        assert f"deploy by {held['by']} from {held['from']}" in plan.output
    assert first.returncode == 0
    assert lock(aws).holder() is None
    [mine] = lock(aws).runs()[before:]
    assert (mine["id"], mine["outcome"], mine["release"]) == (taken["id"], "done", named(aws))


def test_a_run_that_is_killed_frees_the_fleet_and_is_told(
    environment: Environment, aws: Aws, tmp_path: Path
) -> None:
    with waiting(environment, tmp_path, {"release_settings": AGE}) as killed:
        os.killpg(killed.pid, signal.SIGKILL)
        until(lambda: lock(aws).holder() is None, "the lock is given back", LEASE)
    found = answer(environment, expect=2)
    said = [finding["what"] for finding in found["findings"] if finding["where"] == "fleet"]
    assert any(re.fullmatch(r"the deploy of .* was interrupted", what) for what in said)


def test_a_failure_that_only_the_fleets_own_client_sees_takes_the_release_back(
    environment: Environment, aws: Aws
) -> None:
    """Its way to the load balancer breaks while the first host proves the release."""
    before = named(aws)
    variables = {"release_settings": AGE, "grpc_server_proof_seconds": 15}
    with environment.calling() as report:
        run = start_until(
            environment, IN_THE_PROOF, "playbooks/deploy.yml", "-e", json.dumps(variables)
        )
        on_client(environment, CUT)
        try:
            output, _ = run.communicate(timeout=120)
        finally:
            on_client(environment, MEND)
    assert run.returncode == 2, output[-4000:]
    words = " ".join(output.split())
    assert re.search(r"The client on i-[0-9a-f]+ saw it too: \d+ of its \d+ calls", words), words
    assert releases(environment) == {before}
    assert named(aws) == before
    assert len(report["releases"]) == 2
    assert (report["failed"], report["wrong"]) == (0, 0)
    last = lock(aws).runs()[-1]
    assert (last["action"], last["outcome"]) == ("deploy", "failed")


def test_a_rollback_takes_the_client_back_too(environment: Environment, aws: Aws) -> None:
    before = named(aws)
    assert releases(environment, "grpc_clients") == {before}
    environment.playbook("playbooks/rollback.yml")
    after = named(aws)
    assert after != before
    assert releases(environment) == releases(environment, "grpc_clients") == {after}
    last = lock(aws).runs()[-1]
    assert (last["action"], last["release"], last["outcome"]) == ("rollback", after, "done")


def test_a_replacement_is_journaled_and_new_hosts_tell_how_long_they_took(
    environment: Environment, aws: Aws
) -> None:
    environment.playbook("playbooks/replace_hosts.yml")
    last = lock(aws).runs()[-1]
    assert (last["action"], last["outcome"], last["reason"]) == ("replace", "done", None)
    for host in answer(environment)["fleet"]["hosts"]:
        seconds = dict(host["seconds"])
        total = seconds.pop("total")
        assert {"boot", "waiting", "fetching", "installing", "starting"} <= set(seconds)
        assert sum(seconds.values()) == pytest.approx(total, abs=0.5)


def test_teardown_ends_with_the_lock_and_the_journal_gone(environment: Environment) -> None:
    run = environment.playbook("teardown.yml")
    for what in ("lease.json", "journal.jsonl"):
        assert re.search(rf"removed .* {re.escape(what)}$", run.output, re.MULTILINE), what
    assert f"nothing of {NAME} is left" in run.output
