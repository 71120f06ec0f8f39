"""Stacks with an Auto Scaling group and its launch template."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import engine
from localcloud.settings import Settings
from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import describe, until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client

NAME = "localcloud-scaling"
HOOK = {
    "LifecycleHookName": "let-in",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 300,
    "DefaultResult": "ABANDON",
}


def template(image: str, kind: str, size: int) -> str:
    """Describe a group whose hosts come in only when somebody lets them."""
    version = {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}
    return json.dumps(
        {
            "Resources": {
                "Template": {
                    "Type": "AWS::EC2::LaunchTemplate",
                    "Properties": {"LaunchTemplateData": {"ImageId": image, "InstanceType": kind}},
                },
                "Group": {
                    "Type": "AWS::AutoScaling::AutoScalingGroup",
                    "Properties": {
                        "AvailabilityZones": {"Fn::GetAZs": ""},
                        "DesiredCapacity": str(size),
                        "LaunchTemplate": {
                            "LaunchTemplateId": {"Ref": "Template"},
                            "Version": version,
                        },
                        "LifecycleHookSpecificationList": [HOOK],
                        "MaxSize": "3",
                        "MinSize": "1",
                        "Tags": [{"Key": "Role", "Value": "x", "PropagateAtLaunch": True}],
                    },
                },
                "Ending": {
                    "Type": "AWS::AutoScaling::LifecycleHook",
                    "Properties": {
                        "AutoScalingGroupName": {"Ref": "Group"},
                        "DefaultResult": "CONTINUE",
                        "HeartbeatTimeout": 30,
                        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
                    },
                },
            },
            "Outputs": {"Group": {"Value": {"Ref": "Group"}}},
        }
    )


class Stack:
    """The stack, and the doorman of its group."""

    def __init__(self, cloud: Cloud, client: "CloudFormationClient") -> None:
        self.cloud = cloud
        self.client = client
        self.api: Any = boto3.client("autoscaling", **connection(cloud))

    def status(self) -> str:
        return self.client.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"]

    def settled(self) -> str:
        """Wait until the stack has settled; everybody who waits may pass meanwhile."""

        def done() -> bool:
            self.complete()
            return not self.status().endswith("IN_PROGRESS")

        until(done, f"{NAME} has settled")
        return self.status()

    def complete(self) -> None:
        """Let in who waits at the beginning, and let go who waits at the end."""
        shown = self.shown()
        for member in shown.get("Instances", ()):
            if member["LifecycleState"].endswith(":Wait"):
                group = shown["AutoScalingGroupName"]
                launching = member["LifecycleState"] == "Pending:Wait"
                hooks = self.api.describe_lifecycle_hooks(AutoScalingGroupName=group)
                for hook in hooks["LifecycleHooks"]:
                    if hook["LifecycleTransition"].endswith("LAUNCHING") == launching:
                        self.api.complete_lifecycle_action(
                            AutoScalingGroupName=group,
                            LifecycleHookName=hook["LifecycleHookName"],
                            InstanceId=member["InstanceId"],
                            LifecycleActionResult="CONTINUE",
                        )

    def shown(self) -> Any:
        """Return what the API says about the group, nothing when there is none."""
        found = self.api.describe_auto_scaling_groups()["AutoScalingGroups"]
        return next((one for one in found if NAME in one["AutoScalingGroupName"]), {})

    def members(self) -> Any:
        return self.shown().get("Instances", [])

    def delete(self) -> None:
        self.client.delete_stack(StackName=NAME)

        def gone() -> bool:
            self.complete()
            try:
                return self.status() == "DELETE_COMPLETE"
            except ClientError:
                return True

        until(gone, f"{NAME} is deleted")

    def reasons(self) -> str:
        events = self.client.describe_stack_events(StackName=NAME)["StackEvents"]
        return "\n".join(one.get("ResourceStatusReason", "") for one in events)


@pytest.fixture(scope="module")
def stack(cloud: Cloud, cloudformation: "CloudFormationClient", image: str) -> Iterator[Stack]:
    stack = Stack(cloud, cloudformation)
    stack.delete()
    cloudformation.create_stack(StackName=NAME, TemplateBody=template(image, "t3.micro", 1))
    assert stack.settled() == "CREATE_COMPLETE", stack.reasons()
    yield stack
    ended = [member["InstanceId"] for member in stack.members()]
    stack.delete()
    assert ended
    assert not stack.shown()
    assert not {*ended} & {*engine.host_names(Settings(name=cloud.name))}


def test_the_stack_is_complete_when_its_hosts_serve(stack: Stack, ec2: "EC2Client") -> None:
    [member] = stack.members()
    assert member["LifecycleState"] == "InService"
    assert engine.inspect(member["InstanceId"]).status == "running"
    tags = {tag["Key"]: tag["Value"] for tag in describe(ec2, member["InstanceId"])["Tags"]}
    assert (tags["Role"], tags["aws:cloudformation:stack-name"]) == ("x", NAME)


def test_an_update_changes_group_and_template_and_leaves_hosts_alone(
    stack: Stack, cloudformation: "CloudFormationClient", image: str
) -> None:
    [before] = stack.members()
    cloudformation.update_stack(StackName=NAME, TemplateBody=template(image, "t3.small", 2))
    assert stack.settled() == "UPDATE_COMPLETE", stack.reasons()
    types = {one["InstanceId"]: one["InstanceType"] for one in stack.members()}
    assert types.pop(before["InstanceId"]) == "t3.micro"
    assert [*types.values()] == ["t3.small"]


def test_a_template_that_cannot_launch_is_rolled_back(
    stack: Stack, cloudformation: "CloudFormationClient"
) -> None:
    before = stack.members()
    unknown = template("ami-0123456789abcdef0", "t3.small", 2)
    cloudformation.update_stack(StackName=NAME, TemplateBody=unknown)
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "You must use a valid fully-formed launch template" in stack.reasons()
    assert stack.members() == before
