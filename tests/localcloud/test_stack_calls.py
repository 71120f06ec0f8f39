"""What a stack asks permission for is what AWS asks for, by cfn-lint's copy of AWS's lists."""

import pytest

from docs.iam.policy import handlers_of, kinds_of
from localcloud.access import Call
from localcloud.stack_calls import Place, StackCalls
from localcloud.stack_types import TYPES, Type

PLACE = Place("111122223333", "eu-west-1")
MINE = {"Key": "Deployment", "Value": "mine"}
# The schema of a key pair names what CloudFormation does with its private key; that of an
# instance's volumes is the instance's.
WORDS = ("autoscaling", "cloudwatch", "logs", "s3", "sns", "ssm")


def written(kind: Type) -> list[tuple[str, list[str]]]:
    calls = (*kind.create, *kind.delete, *kind.update, *sum(kind.properties.values(), ()))
    tagging = [f"{action} {kind.itself}" for action in kind.tags or () if action]
    return [(action, resources) for action, *resources in map(str.split, [*calls, *tagging])]


def asked(calls: list[Call]) -> list[tuple[str, str]]:
    return [(call.action, call.resource.rpartition("111122223333:")[2]) for call in calls]


@pytest.mark.parametrize("name", TYPES)
def test_every_call_is_one_that_aws_makes(name: str) -> None:
    listed = handlers_of(f"AWS::{name}")
    assert {action for action, _ in written(TYPES[name])} - listed == set()


@pytest.mark.parametrize("name", TYPES)
def test_every_call_is_about_a_kind_of_resource_that_policies_can_name(name: str) -> None:
    for action, resources in written(TYPES[name]):
        kinds = kinds_of(action)
        assert kinds, action
        if not action.startswith(WORDS):
            for resource in resources:
                kind = resource.rpartition("/")[0] or "loadbalancer/net"
                assert {kind, f"{kind}/"} & kinds, (action, resource)


def test_what_is_made_is_made_with_its_tags_and_then_has_them() -> None:
    properties = {"VpcId": "vpc-1", "SecurityGroupIngress": [{"IpProtocol": "tcp"}], "Tags": [MINE]}
    calls = StackCalls(PLACE, "AWS::EC2::SecurityGroup").create("Firewall", properties, "mine")
    assert asked(calls) == [
        ("ec2:CreateSecurityGroup", "security-group/*"),
        ("ec2:CreateSecurityGroup", "vpc/vpc-1"),
        ("ec2:CreateTags", "security-group/*"),
        ("ec2:AuthorizeSecurityGroupIngress", "security-group/*"),
    ]
    made, parent, tagged, ruled = calls
    assert (made.request_tags, made.resource_tags) == ({"Deployment": "mine"}, {})
    assert parent.resource_tags is None
    assert (tagged.request_tags, tagged.resource_tags) == ({"Deployment": "mine"}, {})
    assert (ruled.request_tags, ruled.resource_tags) == ({}, {"Deployment": "mine"})


def test_a_parameter_is_named_and_tagged_in_its_own_way() -> None:
    """By a name that begins with a slash, and with a map of tags."""
    properties = {"Name": "/mine/group", "Tags": {"Deployment": "mine"}}
    put, tagged = StackCalls(PLACE, "AWS::SSM::Parameter").create("Group", properties, "mine")
    assert asked([put, tagged]) == [
        ("ssm:PutParameter", "parameter/mine/group"),
        ("ssm:AddTagsToResource", "parameter/mine/group"),
    ]
    assert (put.request_tags, tagged.request_tags) == ({"Deployment": "mine"},) * 2


def test_a_name_that_is_not_known_yet_begins_with_the_stacks() -> None:
    role = StackCalls(PLACE, "AWS::IAM::Role").create("ServerRole", {}, "mine")
    bucket = StackCalls(PLACE, "AWS::S3::Bucket").create("Releases", {}, "mine")
    assert [call.resource for call in (*role, *bucket)] == [
        "arn:aws:iam::111122223333:role/mine-ServerRole-*",
        "arn:aws:s3:::mine-releases-*",
    ]


def test_a_change_asks_for_what_changed() -> None:
    calls = StackCalls(PLACE, "AWS::EC2::Instance")
    old = {"InstanceType": "t3.micro", "Tags": [MINE]}
    assert calls.update("i-1", old, {**old}) == []
    assert asked(calls.update("i-1", old, {**old, "InstanceType": "t3.small"})) == [
        ("ec2:StopInstances", "instance/i-1"),
        ("ec2:ModifyInstanceAttribute", "instance/i-1"),
        ("ec2:StartInstances", "instance/i-1"),
    ]
    assert asked(calls.update("i-1", old, {"InstanceType": "t3.micro"})) == [
        ("ec2:CreateTags", "instance/i-1"),
        ("ec2:DeleteTags", "instance/i-1"),
    ]


def test_the_tags_of_cloudformation_itself_need_no_permission() -> None:
    system = {"Key": "aws:cloudformation:stack-name", "Value": "mine"}
    calls = StackCalls(PLACE, "AWS::S3::Bucket").create("Releases", {"Tags": [system]}, "mine")
    assert [call.action for call in calls] == ["s3:CreateBucket"]


def test_a_type_that_nobody_looked_up_asks_for_nothing() -> None:
    assert StackCalls(PLACE, "AWS::SQS::Queue").create("Queue", {"Tags": [MINE]}, "mine") == []
