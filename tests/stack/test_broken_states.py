"""Whatever state an earlier run left the stack in, the next one mends it or says what to type."""

from __future__ import annotations

import json
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
            for item in self.api.describe_stack_events(StackName=self.name)["StackEvents"]:
                if (item["LogicalResourceId"], item["ResourceStatus"]) == (name, status):
                    return
            time.sleep(0.05)
        raise AssertionError(f"{name} did not become {status}")

    def held(self, name: str) -> str:
        """Return the physical id of a resource that the stack has made."""
        self.until_event(name, "CREATE_COMPLETE")
        answer = self.api.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def hold(self) -> None:
        """Put a subnet into the network, so that the network cannot be deleted."""
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
    made = Stack(environment)
    yield made
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
