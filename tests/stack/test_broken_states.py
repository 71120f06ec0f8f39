"""Whatever state an earlier run left the stack in, the next one mends it or says what to type."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.stack.conftest import Environment

FIREWALL = {
    "Type": "AWS::EC2::SecurityGroup",
    "Metadata": {"Description": "the firewall"},
    "Properties": {"GroupDescription": "test"},
}
HOST_WITHOUT_NETWORK = {
    "Type": "AWS::EC2::Instance",
    "DependsOn": "Firewall",
    "Metadata": {"Description": "the host"},
    "Properties": {"ImageId": "ami-0a12c0c0a5e700002", "SubnetId": "subnet-00000000000000000"},
}
NETWORK = {
    "Type": "AWS::EC2::VPC",
    "Metadata": {"Description": "the network"},
    "Properties": {"CidrBlock": "192.0.2.0/24"},
}
NEVER = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
GOOD = {"Firewall": FIREWALL}


def host(instance_type: str) -> dict[str, Any]:
    """Return a host that boots."""
    properties = {"ImageId": "ami-0a12c0c0a5e700002", "InstanceType": instance_type}
    words = {"Description": "the host"}
    return {"Type": "AWS::EC2::Instance", "Metadata": words, "Properties": properties}


def waits(seconds: int, after: str) -> dict[str, Any]:
    """Return a resource that fails after some seconds."""
    properties = {"Handle": {"Ref": "Never"}, "Timeout": str(seconds), "Count": 1}
    return {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": after,
        "Properties": properties,
    }


@pytest.fixture
def template(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a template of these resources."""

    def write(**resources: Any) -> Path:
        path = tmp_path / "template.json"
        path.write_text(json.dumps({"Resources": resources}), encoding="utf-8")
        return path

    return write


class Stack:
    """The test's own view of the stack, past the plugins."""

    def __init__(self, environment: Environment) -> None:
        self.name = environment.deployment
        self.api = environment.client("cloudformation")
        self.ec2 = environment.client("ec2")
        self.subnets: list[str] = []

    def status(self) -> str:
        try:
            return str(self.api.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])
        except self.api.exceptions.ClientError:
            return "DELETE_COMPLETE"

    def until(self, *statuses: str) -> None:
        end = time.monotonic() + 30
        while self.status() not in statuses:
            assert time.monotonic() < end, f"{self.status()} is none of {statuses}"
            time.sleep(0.1)

    def start(self, call: str, **resources: Any) -> None:
        body = json.dumps({"Resources": resources})
        getattr(self.api, f"{call}_stack")(StackName=self.name, TemplateBody=body)

    def until_event(self, name: str, status: str) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for item in self.events():
                if (item["LogicalResourceId"], item["ResourceStatus"]) == (name, status):
                    return
            time.sleep(0.02)
        raise AssertionError(f"{name} did not become {status}")

    def events(self) -> list[dict[str, Any]]:
        try:
            answer = self.api.describe_stack_events(StackName=self.name)
        except self.api.exceptions.ClientError:
            return []
        return list(answer["StackEvents"])

    def held(self, name: str) -> str:
        """Return the physical id of a resource that the stack has made."""
        self.until_event(name, "CREATE_COMPLETE")
        answer = self.api.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def hold(self) -> None:
        """Put a subnet into the network, which cannot be deleted with it."""
        answer = self.ec2.create_subnet(VpcId=self.held("Network"), CidrBlock="192.0.2.0/28")
        self.subnets.append(answer["Subnet"]["SubnetId"])

    def release(self) -> None:
        while self.subnets:
            self.ec2.delete_subnet(SubnetId=self.subnets.pop())

    def remove(self) -> None:
        self.release()
        if self.status() != "DELETE_COMPLETE":
            self.api.delete_stack(StackName=self.name)
            self.until("DELETE_COMPLETE")


@pytest.fixture
def stack(environment: Environment) -> Iterator[Stack]:
    """Give each test a name that no stack has."""
    yield (made := Stack(environment))
    made.remove()


def deploy(environment: Environment, path: Path, *arguments: str) -> tuple[int, str]:
    result = environment.act(
        "stack_deploy", *arguments, name=environment.deployment, template=str(path), timeout=60
    )
    return result.returncode, result.stdout


def test_a_create_that_fails_names_the_first_resource_and_its_reason(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    code, said = deploy(environment, template(**GOOD, Host=HOST_WITHOUT_NETWORK))
    assert code != 0
    assert "could not be created: the host (Host) failed first: The subnet ID" in said
    assert stack.status() == "ROLLBACK_COMPLETE"


def test_an_update_that_fails_rolls_back_and_names_the_first_resource(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(**GOOD))
    code, said = deploy(environment, template(**GOOD, Host=HOST_WITHOUT_NETWORK))
    assert code != 0
    assert "could not be updated: the host (Host) failed first" in said
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"


def test_a_template_that_is_not_valid_creates_nothing(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    code, said = deploy(environment, template(Firewall={"Type": "AWS::No::Such"}))
    assert (code != 0, "is not valid" in said) == (True, True)
    assert stack.status() == "DELETE_COMPLETE"


def test_check_mode_shows_the_change_and_leaves_nothing(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    code, said = deploy(environment, template(**GOOD), "--check", "--diff")
    assert (code, "+ create the firewall (Firewall, AWS::EC2::SecurityGroup)" in said) == (0, True)
    assert stack.status() == "DELETE_COMPLETE"


def test_check_mode_leaves_no_change_set_on_a_stack(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(**GOOD))
    code, said = deploy(environment, template(**GOOD, Network=NETWORK), "--check", "--diff")
    assert (code, "+ create the network" in said) == (0, True)
    assert stack.api.list_change_sets(StackName=stack.name)["Summaries"] == []
    assert stack.status() == "CREATE_COMPLETE"


def test_a_create_that_was_rolled_back_is_made_anew(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    stack.start("create", **GOOD, Host=HOST_WITHOUT_NETWORK)
    stack.until("ROLLBACK_COMPLETE")
    code, said = deploy(environment, template(**GOOD), "--check", "--diff")
    assert (code, "left in ROLLBACK_COMPLETE" in said) == (0, True)
    assert stack.status() == "ROLLBACK_COMPLETE"
    code, _ = deploy(environment, template(**GOOD))
    assert (code, stack.status()) == (0, "CREATE_COMPLETE")


def test_the_shell_of_an_interrupted_check_is_made_a_stack(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    body = template(**GOOD).read_text(encoding="utf-8")
    stack.api.create_change_set(
        StackName=stack.name, ChangeSetName="ansible", ChangeSetType="CREATE", TemplateBody=body
    )
    stack.until("REVIEW_IN_PROGRESS")
    code, _ = deploy(environment, template(**GOOD))
    assert (code, stack.status()) == (0, "CREATE_COMPLETE")


def test_a_run_that_is_still_at_work_is_waited_for(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    stack.start("create", **GOOD, Never=NEVER, Wait=waits(4, "Firewall"))
    code, said = deploy(environment, template(**GOOD))
    assert (code, "An earlier run is still at work" in said) == (0, True)
    assert stack.status() == "CREATE_COMPLETE"


def test_a_run_that_is_interrupted_is_carried_on_by_the_next(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    path = template(**GOOD, Host=host("t3.micro"))
    options = json.dumps({"name": environment.deployment, "template": str(path)})
    command = ["localhost", "-m", "stack_deploy", "-a", options]
    with environment.start("ansible", *command, PYTHONUNBUFFERED="1") as process:
        stack.until_event("Firewall", "CREATE_COMPLETE")
        while process.poll() is None:
            # Ansible does not notice each one.
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
    assert process.returncode != 0
    code, _ = deploy(environment, path)
    assert (code, stack.status()) == (0, "CREATE_COMPLETE")


def test_an_api_elsewhere_needs_the_name_as_confirmation(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(**GOOD))
    aws = {"endpoint_url": "http://aws.example", "region": "us-east-1"}
    aws |= {"access_key": "a", "secret_key": "b"}
    codes = []
    for confirm in ("", "another", stack.name):
        options = json.dumps({"name": stack.name, "confirm": confirm, "aws": aws})
        command = ["localhost", "-m", "stack_delete", "-a", options]
        proxied = environment.run("ansible", *command, HTTP_PROXY=environment.cloud.endpoint)
        codes.append((proxied.returncode == 0, stack.status()))
    kept = (False, "CREATE_COMPLETE")
    assert codes == [kept, kept, (True, "DELETE_COMPLETE")]


def test_a_rollback_that_failed_is_removed_and_the_stack_made_anew(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    stack.start("create", Network=NETWORK, Never=NEVER, Wait=waits(2, "Network"))
    stack.hold()
    stack.until("ROLLBACK_FAILED")
    stack.release()
    code, _ = deploy(environment, template(**GOOD))
    assert (code, stack.status()) == (0, "CREATE_COMPLETE")


def test_a_deletion_that_failed_is_finished_and_the_stack_made_anew(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(Network=NETWORK))
    stack.hold()
    stack.api.delete_stack(StackName=stack.name)
    stack.until("DELETE_FAILED")
    stack.release()
    code, _ = deploy(environment, template(**GOOD))
    assert (code, stack.status()) == (0, "CREATE_COMPLETE")


def test_a_deletion_that_fails_again_names_what_holds_it(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(Network=NETWORK))
    stack.hold()
    stack.api.delete_stack(StackName=stack.name)
    stack.until("DELETE_FAILED")
    code, said = deploy(environment, template(**GOOD, Network=NETWORK))
    assert code != 0
    assert "could not be removed: the network (Network) failed first" in said


def test_an_update_that_cannot_be_undone_is_explained_with_the_command(
    environment: Environment, stack: Stack, template: Callable[..., Path]
) -> None:
    deploy(environment, template(Host=host("t3.micro")))
    stack.start("update", Host=host("t3.small"), Never=NEVER, Wait=waits(4, "Host"))
    stack.until_event("Host", "UPDATE_COMPLETE")
    stack.ec2.terminate_instances(InstanceIds=[stack.held("Host")])
    stack.until("UPDATE_ROLLBACK_FAILED")
    code, said = deploy(environment, template(Host=host("t3.micro")))
    assert code != 0
    assert "cannot be undone: the host (Host) failed first" in said
    assert f"--stack-name {stack.name} --resources-to-skip Host" in said
