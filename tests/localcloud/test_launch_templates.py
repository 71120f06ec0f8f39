"""Hosts that are launched from launch templates."""

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud
from tests.localcloud.conftest import PARAMETER, Key, connection
from tests.localcloud.guests import Guest, describe, until_state

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

NAME = "localcloud-template"
USER_DATA = base64.b64encode(b"#!/bin/sh\necho from a template > /etc/from\n").decode()


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def profile(cloud: Cloud) -> Iterator[str]:
    iam: Any = boto3.client("iam", **connection(cloud))
    iam.create_instance_profile(InstanceProfileName=NAME)
    yield NAME
    iam.delete_instance_profile(InstanceProfileName=NAME)


@pytest.fixture(scope="module")
def template(ec2: "EC2Client", key: Key, ssh_group: str, profile: str) -> Iterator[str]:
    """A template whose first version is complete, and whose second asks for a larger type."""
    data: Any = {
        "ImageId": f"resolve:ssm:{PARAMETER}",
        "InstanceType": "t3.micro",
        "KeyName": key.name,
        "UserData": USER_DATA,
        "IamInstanceProfile": {"Name": profile},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 11}}],
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "Groups": [ssh_group], "AssociatePublicIpAddress": True}
        ],
        "TagSpecifications": [
            {
                "ResourceType": "instance",
                "Tags": [{"Key": "Role", "Value": "template"}, {"Key": "Kept", "Value": "yes"}],
            },
            {"ResourceType": "volume", "Tags": [{"Key": "Disk", "Value": "root"}]},
        ],
    }
    made = ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData=data)
    ec2.create_launch_template_version(
        LaunchTemplateName=NAME, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )
    yield made["LaunchTemplate"]["LaunchTemplateId"]
    ec2.delete_launch_template(LaunchTemplateName=NAME)


Run = Any


@pytest.fixture(scope="module")
def run(ec2: "EC2Client") -> Iterator[Run]:
    launched: list[str] = []

    def started(**wanted: Any) -> str:
        made = ec2.run_instances(MinCount=1, MaxCount=1, **wanted)["Instances"]
        launched.extend(one["InstanceId"] for one in made)
        return launched[-1]

    yield started
    ec2.terminate_instances(InstanceIds=launched)
    for instance_id in launched:
        until_state(ec2, instance_id, "terminated")


@pytest.fixture(scope="module")
def host(
    ec2: "EC2Client", run: Run, template: str, key: Key, tmp_path_factory: pytest.TempPathFactory
) -> Guest:
    instance_id = run(
        LaunchTemplate={"LaunchTemplateId": template},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "given"}]}
        ],
    )
    until_state(ec2, instance_id, "running")
    now = describe(ec2, instance_id)
    known_hosts = tmp_path_factory.mktemp("ssh") / "known_hosts"
    addresses = now["PublicIpAddress"], now["PrivateIpAddress"]
    return Guest(ec2, instance_id, *addresses, key.file, known_hosts).ready()


def test_a_host_does_what_its_template_says(host: Guest) -> None:
    assert host.run("cat /etc/from") == "from a template"


def test_the_record_shows_what_the_template_says(
    ec2: "EC2Client", host: Guest, template: str, image: str, ssh_group: str
) -> None:
    found = describe(ec2, host.instance_id)
    assert (found["ImageId"], found["InstanceType"]) == (image, "t3.micro")
    assert [group["GroupId"] for group in found["SecurityGroups"]] == [ssh_group]
    assert found["IamInstanceProfile"]["Arn"].endswith(f":instance-profile/{NAME}")
    assert found["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {
        "Role": "given",
        "Kept": "yes",
        "aws:ec2launchtemplate:id": template,
        "aws:ec2launchtemplate:version": "1",
    }
    volume = found["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    [disk] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (disk["Size"], disk["Tags"]) == (11, [{"Key": "Disk", "Value": "root"}])


def test_the_latest_version_is_asked_for_and_what_is_given_wins(
    ec2: "EC2Client", run: Run, template: str
) -> None:
    latest = {"LaunchTemplateId": template, "Version": "$Latest"}
    assert describe(ec2, run(LaunchTemplate=latest))["InstanceType"] == "t3.small"
    given = run(LaunchTemplate=latest, InstanceType="t3.nano")
    assert describe(ec2, given)["InstanceType"] == "t3.nano"


def test_the_default_version_can_be_moved(ec2: "EC2Client", run: Run, template: str) -> None:
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    launched = run(LaunchTemplate={"LaunchTemplateName": NAME, "Version": "$Default"})
    assert describe(ec2, launched)["InstanceType"] == "t3.small"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"LaunchTemplateId": "lt-00000000000000000"}, "InvalidLaunchTemplateId.NotFound"),
        ({"LaunchTemplateName": "none"}, "InvalidLaunchTemplateName.NotFoundException"),
        ({"LaunchTemplateName": NAME, "Version": "9"}, "InvalidLaunchTemplateId.VersionNotFound"),
    ],
)
@pytest.mark.usefixtures("template")
def test_what_is_not_there_is_an_error(
    ec2: "EC2Client", wanted: dict[str, str], expected: str
) -> None:
    assert (
        code(ec2.run_instances, LaunchTemplate=wanted, MinCount=1, MaxCount=1, DryRun=True)
        == expected
    )


def test_an_unknown_parameter_or_profile_is_an_error(ec2: "EC2Client", template: str) -> None:
    def launched(**wanted: Any) -> str:
        named = {"LaunchTemplateId": template}
        return code(
            ec2.run_instances, LaunchTemplate=named, MinCount=1, MaxCount=1, DryRun=True, **wanted
        )

    assert launched(ImageId="resolve:ssm:/none") == "InvalidParameterValue"
    assert launched(IamInstanceProfile={"Name": "none"}) == "InvalidParameterValue"
    assert launched() == "DryRunOperation"
