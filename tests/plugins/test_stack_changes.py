"""A change set is read as plain words, and a replacement is told from a restart."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils import stack_changes
from plugins.module_utils.aws_cloud import StackError
from tests.plugins.stubs import STACK_ID, answers, new_cloud

CREATED = {"Id": "cs", "StackId": STACK_ID}


def modified(replacement: str, name: str, recreation: str) -> dict[str, Any]:
    target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
    return {
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": "Host",
            "PhysicalResourceId": "i-1",
            "ResourceType": "AWS::EC2::Instance",
            "Replacement": replacement,
            "Details": [{"Target": target}],
        },
    }


def computed(*changes: dict[str, Any], **more: Any) -> stack_changes.ChangeSet:
    client = new_cloud().cloudformation
    answer = {"Status": "CREATE_COMPLETE", "Changes": list(changes), **more}
    with answers(
        client,
        ("delete_change_set", {}),
        ("create_change_set", CREATED),
        ("describe_change_set", answer),
    ):
        return stack_changes.create(client, "demo", "{}", {}, exists=True)


@pytest.mark.parametrize(
    ("replacement", "name", "recreation", "replaces"),
    [
        ("True", "ImageId", "Always", True),
        ("Conditional", "BlockDeviceMappings", "Conditionally", True),
        ("Conditional", "InstanceType", "Conditionally", False),
        ("False", "Tags", "Never", False),
    ],
)
def test_only_a_change_that_loses_the_host_is_a_replacement(
    replacement: str, name: str, recreation: str, replaces: bool
) -> None:
    [change] = computed(modified(replacement, name, recreation)).changes
    assert change.replaces is replaces


def test_the_difference_shows_parameters_and_resources() -> None:
    wanted = computed(
        modified("True", "ImageId", "Always"),
        Parameters=[
            {"ParameterKey": "ImageId", "ParameterValue": "ami-2"},
            {"ParameterKey": "KeyName", "ParameterValue": "same"},
        ],
    )
    before = {"ImageId": "ami-1", "KeyName": "same"}
    assert stack_changes.difference(wanted, before, {"Host": "the host"}).splitlines() == [
        "  parameter ImageId: 'ami-1' -> 'ami-2'",
        "  ! REPLACE the host (Host, i-1): ImageId",
    ]


def test_all_pages_of_changes_are_read() -> None:
    client = new_cloud().cloudformation
    change = modified("False", "Tags", "Never")
    pages = (
        {"Status": "CREATE_COMPLETE", "Changes": [change], "NextToken": "more"},
        {"Status": "CREATE_COMPLETE", "Changes": [change]},
    )
    calls = [("describe_change_set", page) for page in pages]
    with answers(client, ("create_change_set", CREATED), *calls):
        wanted = stack_changes.create(client, "demo", "{}", {}, exists=False)
    assert len(wanted.changes) == 2


def test_a_change_set_without_changes_is_deleted_and_empty() -> None:
    client = new_cloud().cloudformation
    reason = "The submitted information didn't contain changes. Submit different information."
    with answers(
        client,
        ("delete_change_set", {}),
        ("create_change_set", CREATED),
        ("describe_change_set", {"Status": "FAILED", "StatusReason": reason}),
        ("delete_change_set", {}),
    ):
        assert stack_changes.create(client, "demo", "{}", {}, exists=True).changes == ()


def test_a_change_set_that_is_already_gone_is_forgotten() -> None:
    client = new_cloud().cloudformation
    wanted = stack_changes.ChangeSet("cs", STACK_ID, (), {})
    with answers(client, ("delete_change_set", "ChangeSetNotFound")):
        stack_changes.discard(client, wanted, shell=False)


def test_a_rejected_parameter_is_explained() -> None:
    client = new_cloud().cloudformation
    rejected = "ValidationError: Parameter 'InstanceType' must match pattern"
    with (
        answers(client, ("create_change_set", rejected)),
        pytest.raises(StackError, match=r"was not touched: .*InstanceType.*group_vars"),
    ):
        stack_changes.create(client, "demo", "{}", {}, exists=False)


def test_a_change_that_cannot_be_computed_leaves_no_shell_behind() -> None:
    client = new_cloud().cloudformation
    with (
        answers(
            client,
            ("create_change_set", CREATED),
            ("describe_change_set", {"Status": "FAILED", "StatusReason": "no such image"}),
            ("delete_change_set", {}),
            ("delete_stack", {}),
            ("describe_stacks", "ValidationError: demo does not exist"),
        ),
        pytest.raises(StackError, match=r"no such image"),
    ):
        stack_changes.create(client, "demo", "{}", {}, exists=False)
