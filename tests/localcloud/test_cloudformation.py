"""Stacks with instances, addresses and key pairs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud
from tests.localcloud.guests import Guest, describe, dial, state, until
from tests.localcloud.stacks import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

TEMPLATE = (Path(__file__).parent / "stack.yaml").read_text()
NAME = "localcloud-stack"
UNKNOWN = "ami-0123456789abcdef0"


@pytest.fixture(scope="module")
def bare(cloud: Cloud, cloudformation: "CloudFormationClient") -> Iterator[Stack]:
    stack = Stack(cloudformation, NAME, TEMPLATE, Operator=cloud.operator)
    stack.delete()
    yield stack
    stack.delete()


@pytest.fixture
def stack(bare: Stack) -> Stack:
    """The stack, made anew unless the test before left it well."""
    if bare.gone():
        assert bare.create() == "CREATE_COMPLETE", "\n".join(bare.reasons())
    return bare


def running(ec2: "EC2Client") -> list[str]:
    filters: Any = [
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
        {"Name": "tag:aws:cloudformation:stack-name", "Values": [NAME]},
    ]
    found = ec2.describe_instances(Filters=filters)["Reservations"]
    return [one["InstanceId"] for each in found for one in each["Instances"]]


def test_a_stack_gives_a_host_that_its_own_key_opens(
    stack: Stack, ec2: "EC2Client", ssm: "SSMClient", tmp_path: Path
) -> None:
    shown = stack.outputs()
    name = f"/ec2/keypair/{shown['KeyPairId']}"
    private = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert private["Type"] == "SecureString"
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(private["Value"])
    known_hosts = tmp_path / "known_hosts"
    host = Guest(ec2, shown["Id"], shown["Address"], shown["Private"], file, known_hosts)
    assert host.ready().run("whoami") == "ec2-user"


def test_every_resource_carries_the_tags_of_its_stack(stack: Stack, ec2: "EC2Client") -> None:
    shown = stack.outputs()
    [address] = ec2.describe_addresses(PublicIps=[shown["Address"]])["Addresses"]
    for tags, logical_id in (
        (describe(ec2, shown["Id"])["Tags"], "Host"),
        (address["Tags"], "Address"),
    ):
        found = {tag["Key"]: tag["Value"] for tag in tags}
        assert found["aws:cloudformation:stack-name"] == NAME
        assert found["aws:cloudformation:logical-id"] == logical_id


def test_ref_of_an_instance_profile_is_its_name_and_the_host_has_it(
    stack: Stack, ec2: "EC2Client"
) -> None:
    shown = stack.outputs()
    assert ":" not in shown["Profile"]
    arn = describe(ec2, shown["Id"])["IamInstanceProfile"]["Arn"]
    assert arn.endswith(f"/{shown['Profile']}")


def test_an_update_that_changes_nothing_is_refused_as_on_aws(stack: Stack) -> None:
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()
    found = stack.changes("UPDATE")
    assert found["Status"] == "FAILED"
    assert "didn't contain changes" in found["StatusReason"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Image": "ami-0a12c0c0a5e700001"}, "True"),
        ({"Type": "t3.small"}, "Conditional"),
        ({"Role": "other"}, "False"),
    ],
)
def test_a_change_set_says_truly_whether_the_host_is_replaced(
    stack: Stack, values: dict[str, str], expected: str
) -> None:
    changes = [one["ResourceChange"] for one in stack.changes("UPDATE", **values)["Changes"]]
    found = {one["LogicalResourceId"]: one["Replacement"] for one in changes}
    assert found["Host"] == expected


def test_a_security_group_changes_in_place_and_at_once(stack: Stack) -> None:
    before = stack.outputs()
    # Nothing listens there: an open port refuses, a closed one is silent.
    assert dial(before["Address"], 9000) == "timeout"
    assert stack.update(Port="9000") == "UPDATE_COMPLETE"
    until(lambda: dial(before["Address"], 9000) == "refused", "the port is open", 5)
    assert stack.outputs() == before


def test_another_type_keeps_the_host_and_its_addresses(stack: Stack, ec2: "EC2Client") -> None:
    before = stack.outputs()
    assert stack.update(Type="t3.small") == "UPDATE_COMPLETE"
    assert stack.outputs() == before
    assert describe(ec2, before["Id"])["InstanceType"] == "t3.small"


def test_a_failed_update_rolls_back_with_its_reason_and_keeps_the_host(
    stack: Stack, ec2: "EC2Client"
) -> None:
    before = stack.outputs()
    assert stack.update(Image=UNKNOWN) == "UPDATE_ROLLBACK_COMPLETE"
    assert any(f"The image id '[{UNKNOWN}]' does not exist" in reason for reason in stack.reasons())
    assert stack.outputs() == before
    assert running(ec2) == [before["Id"]]


def test_another_image_replaces_the_host_behind_its_address(stack: Stack, ec2: "EC2Client") -> None:
    before = stack.outputs()
    assert stack.update(Image="ami-0a12c0c0a5e700001") == "UPDATE_COMPLETE"
    after = stack.outputs()
    assert after["Address"] == before["Address"]
    assert running(ec2) == [after["Id"]] != [before["Id"]]
    assert describe(ec2, after["Id"])["PublicIpAddress"] == after["Address"]


def test_deleting_a_stack_ends_its_hosts_and_removes_its_key(
    stack: Stack, ec2: "EC2Client", ssm: "SSMClient"
) -> None:
    shown = stack.outputs()
    stack.delete()
    assert state(ec2, shown["Id"]) == "terminated"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        ssm.get_parameter(Name=f"/ec2/keypair/{shown['KeyPairId']}")
    assert not ec2.describe_addresses(PublicIps=[shown["Address"]])["Addresses"]


def test_a_failed_create_rolls_back_with_its_reason_and_leaves_nothing(
    bare: Stack, ec2: "EC2Client"
) -> None:
    assert bare.create(Image=UNKNOWN) == "ROLLBACK_COMPLETE"
    assert any(f"The image id '[{UNKNOWN}]' does not exist" in reason for reason in bare.reasons())
    assert running(ec2) == []
    bare.delete()


def test_a_change_set_on_a_missing_stack_leaves_a_review_that_can_be_deleted(bare: Stack) -> None:
    found = bare.changes("CREATE")
    assert {one["ResourceChange"]["Action"] for one in found["Changes"]} == {"Add"}
    assert bare.status() == "REVIEW_IN_PROGRESS"
    bare.delete()
    assert bare.gone()
