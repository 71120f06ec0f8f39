"""AWS clients whose answers a test writes down in advance."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.stub import Stubber

from plugins.module_utils.aws_cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/demo/1"
GROUP = "demo-servers"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def new_cloud(**aws: str) -> Cloud:
    """Return clients that can reach nothing: their endpoint is a closed port on this machine."""
    keys = {"region": "us-east-1", "access_key": "a", "secret_key": "b"}
    return Cloud({"endpoint_url": "http://127.0.0.1:9", **keys, **aws})


@contextmanager
def answers(client: Any, *pairs: tuple[str, Any]) -> Iterator[Stubber]:
    """Answer the calls in this order; a string is the code of an error, all must be asked for."""
    with Stubber(client) as stubber:
        for method, answer in pairs:
            if isinstance(answer, str):
                code, _, message = answer.partition(": ")
                stubber.add_client_error(method, code, message or code)
            else:
                stubber.add_response(method, answer)
        yield stubber
        stubber.assert_no_pending_responses()


def stack(status: str, **more: Any) -> dict[str, Any]:
    """Return DescribeStacks' answer for the stack `demo`."""
    return {
        "Stacks": [
            {
                "StackName": "demo",
                "StackId": STACK_ID,
                "StackStatus": status,
                "CreationTime": WHEN,
                **more,
            }
        ]
    }


def group(wanted: int, **states: str) -> tuple[str, Any]:
    """Return DescribeAutoScalingGroups and its answer: the hosts by their states."""
    members = [
        {
            "InstanceId": name,
            "LifecycleState": state,
            "HealthStatus": "Healthy",
            "AvailabilityZone": "a",
            "ProtectedFromScaleIn": False,
        }
        for name, state in states.items()
    ]
    found = {
        "AutoScalingGroupName": GROUP,
        "DesiredCapacity": wanted,
        "Instances": members,
        "MinSize": 1,
        "MaxSize": 4,
        "DefaultCooldown": 1,
        "AvailabilityZones": ["a"],
        "HealthCheckType": "ELB",
        "CreatedTime": "2026-01-01T00:00:00Z",
    }
    return "describe_auto_scaling_groups", {"AutoScalingGroups": [found]}


def event(
    number: int, name: str, status: str, reason: str = "", kind: str = "AWS::EC2::Instance"
) -> dict[str, Any]:
    """Return one stack event; the name `demo` stands for the stack itself."""
    return {
        "StackId": STACK_ID,
        "EventId": str(number),
        "StackName": "demo",
        "LogicalResourceId": name,
        "PhysicalResourceId": STACK_ID if name == "demo" else name.lower(),
        "ResourceType": "AWS::CloudFormation::Stack" if name == "demo" else kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": WHEN,
    }


def events(*newest_last: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the call and answer of DescribeStackEvents, which lists the newest first."""
    return "describe_stack_events", {"StackEvents": list(reversed(newest_last))}
