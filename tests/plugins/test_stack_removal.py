"""A removal gives a receipt from AWS's own records and says what is left."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.stack_delete import is_local
from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.stack_removal import Removal
from tests.plugins.stubs import WHEN, answers, event, events, new_cloud, stack

if TYPE_CHECKING:
    from plugins.module_utils.aws_cloud import Cloud

MISSING = ("describe_stacks", "ValidationError: Stack with id demo does not exist")
FOUND = ("describe_stacks", stack("CREATE_COMPLETE"))
TEMPLATE = '{"Resources": {"Host": {"Metadata": {"Description": "the host"}}}}'
OLD = event(1, "demo", "CREATE_COMPLETE")
DELETED = event(9, "demo", "DELETE_COMPLETE")


def words() -> tuple[str, Any]:
    return "get_template", {"TemplateBody": TEMPLATE}


def held(*identifiers: str) -> tuple[str, Any]:
    return "describe_stack_resources", {
        "StackResources": [
            {
                "LogicalResourceId": "Host",
                "PhysicalResourceId": identifier,
                "ResourceType": "AWS::EC2::Instance",
                "ResourceStatus": "CREATE_COMPLETE",
                "Timestamp": WHEN,
            }
            for identifier in identifiers
        ]
    }


def tagged(*instances: str) -> list[tuple[str, Any]]:
    found = [{"Instances": [{"InstanceId": instance}]} for instance in instances]
    return [
        ("describe_instances", {"Reservations": found}),
        ("describe_addresses", {"Addresses": []}),
        ("describe_security_groups", {"SecurityGroups": []}),
        ("describe_key_pairs", {"KeyPairs": []}),
    ]


def prepared(stubs: ExitStack, cloudformation: list[Any], ec2: list[Any]) -> Cloud:
    cloud = new_cloud()
    stubs.enter_context(answers(cloud.cloudformation, *cloudformation))
    stubs.enter_context(answers(cloud.ec2, *ec2))
    return cloud


def test_the_receipt_tells_what_was_removed_from_what_was_already_gone() -> None:
    deletion: list[Any] = [events(OLD), ("delete_stack", {}), events(OLD, DELETED)]
    calls = [FOUND, words(), events(OLD), FOUND, events(OLD), held("i-1", "i-2"), *deletion]
    with ExitStack() as stubs:
        cloud = prepared(stubs, calls, tagged("i-1"))
        receipt = Removal(cloud, "demo", lambda _: None).run(5)
    assert [(item.identifier, item.state) for item in receipt] == [
        ("i-1", "removed"),
        ("i-2", "already gone"),
    ]
    assert receipt[0].words == "the host"


def test_a_resource_that_will_not_go_is_named() -> None:
    stuck = event(2, "Host", "DELETE_FAILED", "protected"), event(3, "demo", "DELETE_FAILED")
    deletion: list[Any] = [events(OLD), ("delete_stack", {}), events(OLD, *stuck)]
    calls = [FOUND, words(), events(OLD), FOUND, events(OLD), held("i-1"), *deletion]
    with ExitStack() as stubs:
        cloud = prepared(stubs, calls, tagged("i-1"))
        removal = Removal(cloud, "demo", lambda _: None)
        with pytest.raises(StackError, match=r"the host \(Host\) failed first: protected"):
            removal.run(5)


def test_a_missing_stack_is_already_removed() -> None:
    with ExitStack() as stubs:
        cloud = prepared(stubs, [MISSING, MISSING], tagged())
        removal = Removal(cloud, "demo", lambda _: None)
        assert (removal.resources(), removal.run(5), removal.left()) == ([], [], {})


def test_a_fleets_files_and_parameters_go_with_it_and_are_on_the_receipt() -> None:
    outputs = [{"OutputKey": "ReleaseBucket", "OutputValue": "releases"}]
    fleet = ("describe_stacks", stack("CREATE_COMPLETE", Outputs=outputs))
    deletion: list[Any] = [events(OLD), ("delete_stack", {}), events(OLD, DELETED)]
    calls = [fleet, words(), events(OLD), fleet, events(OLD), held(), *deletion]
    versions = {"Versions": [{"Key": "current.json", "VersionId": "1"}], "IsTruncated": False}
    files: list[Any] = [("head_bucket", {}), ("list_object_versions", versions)]
    parameters = ("get_parameters", {"Parameters": [{"Name": "/demo/tls/ca.crt"}]})
    with ExitStack() as stubs:
        cloud = prepared(stubs, calls, tagged())
        gone: list[Any] = [("delete_objects", {}), ("list_object_versions", {})]
        stubs.enter_context(answers(cloud.s3, *files, *files, *gone))
        removed: tuple[str, Any] = ("delete_parameters", {})
        stubs.enter_context(answers(cloud.ssm, parameters, parameters, removed))
        receipt = Removal(cloud, "demo", lambda _: None).run(5)
    assert [(item.identifier, item.state) for item in receipt] == [
        ("current.json", "removed"),
        ("/demo/tls/ca.crt", "removed"),
    ]


def test_what_is_left_comes_with_the_command_that_removes_it() -> None:
    with ExitStack() as stubs:
        cloud = prepared(stubs, [MISSING, MISSING], tagged("i-7"))
        left = Removal(cloud, "demo", lambda _: None).left()
    assert left == {"i-7": "aws ec2 terminate-instances --instance-ids i-7"}


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://localhost:4566", True),
        ("http://[::1]:4566", True),
        ("", False),
        ("https://ec2.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1:4566", False),
    ],
)
def test_only_an_api_on_this_machine_needs_no_confirmation(endpoint: str, local: bool) -> None:
    assert is_local(new_cloud(endpoint_url=endpoint)) is local
