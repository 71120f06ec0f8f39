"""A stack that an earlier run left broken is mended when that loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.stack_recovery import NEVER_CREATED, Repair
from tests.plugins.stubs import WHEN, answers, event, events, new_cloud, stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

OLD = event(1, "demo", "CREATE_COMPLETE")
DELETED = event(9, "demo", "DELETE_COMPLETE")


def resources(*statuses: str) -> tuple[str, dict[str, Any]]:
    return "describe_stack_resources", {
        "StackResources": [
            {
                "LogicalResourceId": "Host",
                "PhysicalResourceId": f"i-{number}",
                "ResourceType": "AWS::EC2::Instance",
                "ResourceStatus": status,
                "Timestamp": WHEN,
            }
            for number, status in enumerate(statuses)
        ]
    }


def mend(client: CloudFormationClient, status: str) -> StackTypeDef | None:
    left: StackTypeDef = stack(status)["Stacks"][0]
    return Repair(client, "demo", {"Host": "the host"}, lambda _: None, 5).mend(left)


@pytest.mark.parametrize("status", sorted(NEVER_CREATED))
def test_a_stack_that_never_served_is_removed(status: str) -> None:
    client = new_cloud().cloudformation
    with answers(client, events(OLD), ("delete_stack", {}), events(OLD, DELETED)):
        assert mend(client, status) is None


def test_a_half_deleted_stack_without_a_host_is_removed() -> None:
    client = new_cloud().cloudformation
    delete: tuple[str, Any] = ("delete_stack", {})
    with answers(client, resources("DELETE_COMPLETE"), events(OLD), delete, events(OLD, DELETED)):
        assert mend(client, "DELETE_FAILED") is None


def test_a_half_deleted_stack_that_still_has_its_host_is_explained() -> None:
    client = new_cloud().cloudformation
    with (
        answers(client, resources("DELETE_FAILED")),
        pytest.raises(StackError, match=r"still has i-0: .*teardown.yml -e confirm=demo"),
    ):
        mend(client, "DELETE_FAILED")


def test_a_stack_that_cannot_be_removed_names_what_holds_it() -> None:
    client = new_cloud().cloudformation
    held = event(2, "Host", "DELETE_FAILED", "it is protected"), event(3, "demo", "DELETE_FAILED")
    with (
        answers(client, events(OLD), ("delete_stack", {}), events(OLD, *held)),
        pytest.raises(StackError, match=r"the host \(Host\) failed first: it is protected"),
    ):
        mend(client, "ROLLBACK_FAILED")


def test_a_rollback_that_stopped_is_continued() -> None:
    client = new_cloud().cloudformation
    undone = event(2, "demo", "UPDATE_ROLLBACK_COMPLETE")
    with answers(
        client,
        events(OLD),
        ("continue_update_rollback", {}),
        events(OLD, undone),
        ("describe_stacks", stack("UPDATE_ROLLBACK_COMPLETE")),
    ):
        mended = mend(client, "UPDATE_ROLLBACK_FAILED")
    assert mended is not None
    assert mended["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_that_stops_again_is_explained_with_the_command_that_loses_something() -> None:
    client = new_cloud().cloudformation
    again = (
        event(2, "Host", "UPDATE_FAILED", "it is locked"),
        event(3, "demo", "UPDATE_ROLLBACK_FAILED"),
    )
    with (
        answers(client, events(OLD), ("continue_update_rollback", {}), events(OLD, *again)),
        pytest.raises(StackError, match=r"it is locked.*--resources-to-skip Host"),
    ):
        mend(client, "UPDATE_ROLLBACK_FAILED")
