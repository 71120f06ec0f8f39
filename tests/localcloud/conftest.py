"""A client of the cloud, and hosts in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
import pytest

from tests.conftest import Cloud
from tests.localcloud.guests import Guest, describe, until_state

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


class Connection(TypedDict):
    """What a client needs to find the cloud's API."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


def connection(cloud: Cloud) -> Connection:
    return {
        "endpoint_url": cloud.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "anything",
        "aws_secret_access_key": "anything",
    }


@pytest.fixture(scope="session")
def ec2(cloud: Cloud) -> "EC2Client":
    return boto3.client("ec2", **connection(cloud))


@pytest.fixture(scope="session")
def ssm(cloud: Cloud) -> "SSMClient":
    return boto3.client("ssm", **connection(cloud))


@pytest.fixture(scope="session")
def cloudformation(cloud: Cloud) -> "CloudFormationClient":
    return boto3.client("cloudformation", **connection(cloud))


@pytest.fixture(scope="session")
def elb(cloud: Cloud) -> Any:
    """A client of the load balancing API."""
    return boto3.client("elbv2", **connection(cloud))


@pytest.fixture(scope="session")
def subnets(ec2: "EC2Client") -> list[Any]:
    """The default subnets, one a zone, in the order of their zones."""
    found = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
    return sorted(found["Subnets"], key=lambda one: one["AvailabilityZone"])


@pytest.fixture(scope="session")
def image(ssm: "SSMClient") -> str:
    return ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]


@dataclass(frozen=True)
class Key:
    """A key pair and the file that holds its private half."""

    name: str
    file: Path


@pytest.fixture(scope="session")
def key(ec2: "EC2Client", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    name = "localcloud-tests"
    ec2.delete_key_pair(KeyName=name)
    material = ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"]
    file = tmp_path_factory.mktemp("key") / "key"
    file.touch(mode=0o600)
    file.write_text(material)
    yield Key(name, file)
    ec2.delete_key_pair(KeyName=name)


Launch = Callable[..., Guest]


@pytest.fixture(scope="session")
def ssh_group(cloud: Cloud, ec2: "EC2Client") -> str:
    """A security group that lets the operator, and nobody else, reach port 22."""
    name = "localcloud-tests"
    for old in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])[
        "SecurityGroups"
    ]:
        ec2.delete_security_group(GroupId=old["GroupId"])
    group = ec2.create_security_group(GroupName=name, Description=name)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=f"{cloud.operator}/32"
    )
    return group


@pytest.fixture(scope="module")
def launch(
    ec2: "EC2Client",
    image: str,
    key: Key,
    ssh_group: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Launch]:
    """A function that launches a host; a module's hosts end with the module."""
    launched: list[str] = []

    def started(*groups: str, **wanted: Any) -> Guest:
        [made] = ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            KeyName=key.name,
            SecurityGroupIds=[ssh_group, *groups],
            MinCount=1,
            MaxCount=1,
            **wanted,
        )["Instances"]
        instance_id = made["InstanceId"]
        launched.append(instance_id)
        until_state(ec2, instance_id, "running")
        now = describe(ec2, instance_id)
        addresses = (now.get("PublicIpAddress", ""), now["PrivateIpAddress"])
        folder = tmp_path_factory.mktemp("ssh")
        return Guest(ec2, instance_id, *addresses, key.file, folder / "known_hosts")

    yield started
    if launched:
        ec2.terminate_instances(InstanceIds=launched)
        for instance_id in launched:
            until_state(ec2, instance_id, "terminated")


def other_cloud(cloud: Cloud, number: int) -> Cloud:
    """Name a further cloud beside the session's, for tests that must break theirs."""
    first, second = cloud.octets.split(".")
    octets = f"{first}.{int(second) + 50 * number}"
    return Cloud(f"{cloud.name}x{number}", cloud.port + 100 * number, octets)
