"""Policies decide on the resource, its tags and the tags that are given, in stacks too."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.settings import RUN_ROOT
from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until

NAME = "localcloud-access"
ACCOUNT = "000000000000"
HERE = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
MINE = {"Key": "Deployment", "Value": NAME}

Statement = dict[str, Any]


def allow(*actions: str, on: str | list[str] = "*", **condition: dict[str, str]) -> Statement:
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": on}
    return statement | ({"Condition": condition} if condition else {})


STACKS = allow("cloudformation:*")


class Somebody:
    """A user whose policy a test sets."""

    def __init__(self, cloud: Cloud, iam: Any, key: dict[str, str]) -> None:
        self._cloud = cloud
        self._iam = iam
        self._given: Any = {
            **connection(cloud),
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }

    def client(self, service: str) -> Any:
        session: Any = boto3.Session()
        return session.client(service, **self._given)

    def may(self, *statements: Statement) -> None:
        document = {"Version": "2012-10-17", "Statement": [*statements]}
        self._iam.put_user_policy(
            UserName=NAME, PolicyName="access", PolicyDocument=json.dumps(document)
        )

    def log(self) -> list[dict[str, Any]]:
        path = RUN_ROOT / self._cloud.name / "access.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def somebody(cloud: Cloud) -> Iterator[Somebody]:
    iam: Any = boto3.client("iam", **connection(cloud))
    iam.create_user(UserName=NAME)
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    yield Somebody(cloud, iam, key)
    iam.delete_user_policy(UserName=NAME, PolicyName="access")
    iam.delete_access_key(UserName=NAME, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=NAME)


@pytest.fixture
def outcome(cloud: Cloud, somebody: Somebody) -> Callable[..., tuple[str, str]]:
    """Return a function that makes and removes a stack, and says its status and first reason."""
    operator: Any = boto3.client("cloudformation", **connection(cloud))

    def status() -> str:
        try:
            found: str = operator.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"]
        except ClientError:
            return "gone"
        return found

    def made(kind: str, **properties: Any) -> tuple[str, str]:
        resource = {"Type": kind, "Properties": properties}
        body = json.dumps({"Resources": {"Thing": resource}})
        somebody.client("cloudformation").create_stack(
            StackName=NAME, TemplateBody=body, Capabilities=["CAPABILITY_IAM"]
        )
        until(lambda: not status().endswith("IN_PROGRESS"), f"{NAME} has settled")
        settled = status()
        events = operator.describe_stack_events(StackName=NAME)["StackEvents"]
        reasons = [one.get("ResourceStatusReason", "") for one in reversed(events)]
        operator.delete_stack(StackName=NAME)
        until(lambda: status() == "gone", f"{NAME} is gone")
        return settled, next((one for one in reasons if "authorized" in one), "")

    return made


def test_a_stack_makes_only_resources_of_a_name_that_its_caller_may(
    somebody: Somebody, outcome: Callable[..., tuple[str, str]]
) -> None:
    somebody.may(STACKS, allow("s3:*", on=f"arn:aws:s3:::{NAME}-*"))
    assert outcome("AWS::S3::Bucket")[0] == "CREATE_COMPLETE"
    assert outcome("AWS::S3::Bucket", BucketName=f"{NAME}-mine")[0] == "CREATE_COMPLETE"
    status, reason = outcome("AWS::S3::Bucket", BucketName="foreign")
    assert status == "ROLLBACK_COMPLETE"
    assert "s3:CreateBucket on resource: arn:aws:s3:::foreign" in reason


def test_a_stack_gives_only_tags_that_its_caller_may(
    somebody: Somebody, outcome: Callable[..., tuple[str, str]]
) -> None:
    tagging = {"aws:RequestTag/Deployment": NAME}
    untagged = {"aws:ResourceTag/Deployment": "true"}
    somebody.may(
        STACKS,
        allow("ec2:CreateInternetGateway", on=f"{HERE}:internet-gateway/*"),
        allow("ec2:CreateTags", on=f"{HERE}:*/*", StringEquals=tagging, Null=untagged),
    )
    gateway = "AWS::EC2::InternetGateway"
    assert outcome(gateway, Tags=[MINE])[0] == "CREATE_COMPLETE"
    status, reason = outcome(gateway, Tags=[{**MINE, "Value": "another"}])
    assert status == "ROLLBACK_COMPLETE"
    assert "ec2:CreateTags" in reason


def test_a_stack_uses_only_resources_with_a_tag_that_its_caller_may(
    cloud: Cloud, somebody: Somebody, outcome: Callable[..., tuple[str, str]]
) -> None:
    """Of two route tables, one carries the tag that the policy asks for."""
    ec2: Any = boto3.client("ec2", **connection(cloud))
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    mine, foreign = (
        ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)
    )
    ec2.create_tags(Resources=[mine], Tags=[MINE])
    owned = {"aws:ResourceTag/Deployment": NAME}
    somebody.may(STACKS, allow("ec2:*", on=f"{HERE}:*/*", StringEquals=owned))
    route = {"DestinationCidrBlock": "203.0.113.0/24", "GatewayId": gateway}
    assert outcome("AWS::EC2::Route", RouteTableId=mine, **route)[0] == "CREATE_COMPLETE"
    status, reason = outcome("AWS::EC2::Route", RouteTableId=foreign, **route)
    assert status == "ROLLBACK_COMPLETE"
    assert f"route-table/{foreign}" in reason
    for table in (mine, foreign):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_a_role_is_passed_only_to_whom_the_policy_names(
    somebody: Somebody, outcome: Callable[..., tuple[str, str]]
) -> None:
    roles = allow("iam:*Profile*", on=f"arn:aws:iam::{ACCOUNT}:instance-profile/{NAME}-*")
    profile = "AWS::IAM::InstanceProfile"
    for service, wanted in (("ec2", "CREATE_COMPLETE"), ("lambda", "ROLLBACK_COMPLETE")):
        to = {"iam:PassedToService": f"{service}.amazonaws.com"}
        passing = allow("iam:PassRole", on=f"arn:aws:iam::{ACCOUNT}:role/{NAME}", StringEquals=to)
        somebody.may(STACKS, roles, passing)
        assert outcome(profile, Roles=[NAME])[0] == wanted


def test_looking_cannot_be_limited_to_a_resource(somebody: Somebody) -> None:
    """As on AWS: a policy that names instances for it allows nothing."""
    looking = somebody.client("ec2").describe_instances
    somebody.may(allow("ec2:DescribeInstances", on=f"{HERE}:instance/*"))
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        looking(InstanceIds=["i-00000000"])
    somebody.may(allow("ec2:DescribeInstances"))
    with pytest.raises(ClientError, match="InvalidInstanceID"):
        looking(InstanceIds=["i-00000000"])


def test_a_launch_needs_everything_that_it_uses(somebody: Somebody, image: str) -> None:
    kinds = ("image", "instance", "key-pair", "network-interface", "security-group", "subnet")
    used = {kind: f"{HERE}:{kind}/*" for kind in (*kinds, "volume")}
    used["image"] = "arn:aws:ec2:us-east-1::image/*"

    def launched(*resources: str) -> str:
        somebody.may(allow("ec2:RunInstances", on=[*resources]))
        with pytest.raises(ClientError) as caught:
            somebody.client("ec2").run_instances(
                ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, DryRun=True
            )
        return str(caught.value.response["Error"]["Code"])

    assert launched(*used.values()) == "DryRunOperation"
    for left_out in used:
        rest = [arn for kind, arn in used.items() if kind != left_out]
        assert launched(*rest) == "UnauthorizedOperation", left_out


def test_a_parameter_with_tags_needs_the_right_to_tag(somebody: Somebody) -> None:
    ssm = somebody.client("ssm")
    given = {"Name": f"/{NAME}/one", "Value": "x", "Type": "String", "Tags": [MINE]}
    named = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/{NAME}/*"
    somebody.may(allow("ssm:PutParameter", "ssm:DeleteParameter", on=named))
    with pytest.raises(ClientError, match="AccessDenied"):
        ssm.put_parameter(**given)
    somebody.may(
        allow("ssm:PutParameter", "ssm:DeleteParameter", "ssm:AddTagsToResource", on=named)
    )
    ssm.put_parameter(**given)
    ssm.delete_parameter(Name=given["Name"])


def test_amazons_parameters_belong_to_no_account(somebody: Somebody) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    reading = somebody.client("ssm").get_parameter
    somebody.may(allow("ssm:GetParameter", on=f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/aws/*"))
    with pytest.raises(ClientError, match="AccessDenied"):
        reading(Name=name)
    somebody.may(allow("ssm:GetParameter", on="arn:aws:ssm:us-east-1::parameter/aws/*"))
    assert reading(Name=name)["Parameter"]["Value"].startswith("ami-")


def test_what_a_users_key_was_asked_for_is_noted(somebody: Somebody) -> None:
    """One line a permission, with all the statements that allow it."""
    before = len(somebody.log())
    first, second = ({**allow("ssm:GetParameter"), "Sid": sid} for sid in ("First", "Second"))
    somebody.may(first, second)
    with pytest.raises(ClientError, match="ParameterNotFound"):
        somebody.client("ssm").get_parameter(Name=f"/{NAME}")
    with pytest.raises(ClientError, match="AccessDenied"):
        somebody.client("s3").list_buckets()
    noted = [
        (one["action"], one["resource"], one["decision"], one["statements"])
        for one in somebody.log()[before:]
    ]
    named = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/{NAME}"
    assert noted == [
        ("ssm:GetParameter", named, "Allow", ["First", "Second"]),
        ("s3:ListAllMyBuckets", "*", "ImplicitDeny", []),
    ]
