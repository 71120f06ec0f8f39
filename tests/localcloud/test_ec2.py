"""The EC2 calls answer as AWS does, wrong requests included."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization

from tests.conftest import Cloud
from tests.localcloud.conftest import PARAMETER, Launch
from tests.localcloud.guests import describe, output, until_state

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

ARM_PARAMETER = PARAMETER.replace("x86_64", "arm64")


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def request(image: str, **changed: Any) -> dict[str, Any]:
    return {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **changed}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "t3.gigantic"}, "InvalidParameterValue"),
        ({"InstanceType": "t4g.micro"}, "InvalidParameterValue"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0aaaaaaaaaaaaaaaa"]}, "InvalidGroup.NotFound"),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
        ({"MinCount": 2}, "InvalidParameterCombination"),
        ({"DryRun": True}, "DryRunOperation"),
        ({"DryRun": True, "KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_with_the_code_of_aws(
    ec2: "EC2Client", image: str, changed: dict[str, Any], expected: str
) -> None:
    assert code(ec2.run_instances, **request(image, **changed)) == expected


def test_an_image_of_another_architecture_is_unsupported_here(
    ec2: "EC2Client", ssm: "SSMClient"
) -> None:
    arm = ssm.get_parameter(Name=ARM_PARAMETER)["Parameter"]["Value"]
    assert code(ec2.run_instances, **request(arm, InstanceType="t4g.micro")) == "Unsupported"


def test_a_network_interface_chooses_subnet_address_and_no_public_one(
    cloud: Cloud, ec2: "EC2Client", image: str
) -> None:
    zone: Any = [{"Name": "availability-zone", "Values": ["us-east-1b"]}]
    [subnet] = ec2.describe_subnets(Filters=zone)["Subnets"]
    nic: Any = {
        "DeviceIndex": 0,
        "SubnetId": subnet["SubnetId"],
        "PrivateIpAddress": f"{cloud.octets}.16.77",
        "AssociatePublicIpAddress": False,
    }
    [made] = ec2.run_instances(**request(image, NetworkInterfaces=[nic]))["Instances"]
    until_state(ec2, made["InstanceId"], "running")
    found = describe(ec2, made["InstanceId"])
    assert found["PrivateIpAddress"] == f"{cloud.octets}.16.77"
    assert found["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert not found.get("PublicIpAddress")
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    until_state(ec2, made["InstanceId"], "terminated")


def test_as_many_hosts_start_as_asked_for_and_boot_in_parallel(
    ec2: "EC2Client", image: str
) -> None:
    made = ec2.run_instances(**request(image, MinCount=1, MaxCount=3))["Instances"]
    ids = [one["InstanceId"] for one in made]
    assert len({one["PrivateIpAddress"] for one in made}) == 3
    for instance_id in ids:
        until_state(ec2, instance_id, "running")
    ec2.terminate_instances(InstanceIds=ids)
    for instance_id in ids:
        until_state(ec2, instance_id, "terminated")


def test_the_default_network_is_the_private_half_of_the_range(
    cloud: Cloud, ec2: "EC2Client"
) -> None:
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])
    assert vpc["CidrBlock"] == f"{cloud.octets}.0.0/17"
    assert {one["CidrBlock"] for one in subnets["Subnets"]} == {
        f"{cloud.octets}.{third}.0/20" for third in (0, 16, 32)
    }


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_public_parameter_names_an_image_that_exists(
    ec2: "EC2Client", ssm: "SSMClient", architecture: str
) -> None:
    name = PARAMETER.replace("x86_64", architecture)
    image = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    [found] = ec2.describe_images(ImageIds=[image])["Images"]
    assert found["Architecture"] == architecture
    assert found["RootDeviceName"] == "/dev/xvda"


def test_an_unknown_image_and_type_are_errors(ec2: "EC2Client") -> None:
    assert code(ec2.describe_images, ImageIds=["ami-0123456789abcdef0"]) == "InvalidAMIID.NotFound"
    assert code(ec2.describe_instance_types, InstanceTypes=["t3.huge"]) == "InvalidInstanceType"


def test_an_instance_type_has_its_architecture_and_size(ec2: "EC2Client") -> None:
    types = ec2.describe_instance_types(InstanceTypes=["t4g.small", "m7i.xlarge"])["InstanceTypes"]
    found = {
        one["InstanceType"]: (
            one["ProcessorInfo"]["SupportedArchitectures"],
            one["VCpuInfo"]["DefaultVCpus"],
            one["MemoryInfo"]["SizeInMiB"],
        )
        for one in types
    }
    assert found == {"t4g.small": (["arm64"], 2, 2048), "m7i.xlarge": (["x86_64"], 4, 16384)}


def test_account_attributes_name_the_limits(ec2: "EC2Client") -> None:
    attributes = ec2.describe_account_attributes()["AccountAttributes"]
    found = {one["AttributeName"]: one["AttributeValues"] for one in attributes}
    assert found["max-instances"] == [{"AttributeValue": "20"}]


def test_an_imported_key_has_the_fingerprint_that_can_be_computed(
    ec2: "EC2Client", tmp_path: Path
) -> None:
    output("ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(tmp_path / "key"))
    public = (tmp_path / "key.pub").read_bytes()
    der = serialization.load_ssh_public_key(public).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.md5(der, usedforsecurity=False).hexdigest()
    expected = ":".join(digest[i : i + 2] for i in range(0, 32, 2))
    found = [ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=public)["KeyFingerprint"]]
    assert code(ec2.import_key_pair, KeyName="imported", PublicKeyMaterial=public) == (
        "InvalidKeyPair.Duplicate"
    )
    ec2.delete_key_pair(KeyName="imported")
    found += [ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=public)["KeyFingerprint"]]
    ec2.delete_key_pair(KeyName="imported")
    assert found == [expected, expected]


def test_an_ed25519_fingerprint_is_what_ssh_keygen_prints(ec2: "EC2Client", tmp_path: Path) -> None:
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    public = (tmp_path / "key.pub").read_bytes()
    found = ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=public)["KeyFingerprint"]
    ec2.delete_key_pair(KeyName="imported")
    printed = output("ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")).split()[1]
    assert found.rstrip("=") == printed.removeprefix("SHA256:")


def test_a_key_that_is_none_is_refused(ec2: "EC2Client") -> None:
    arguments = {"KeyName": "imported", "PublicKeyMaterial": b"nonsense"}
    assert code(ec2.import_key_pair, **arguments) == "InvalidKey.Format"


def test_an_elastic_ip_in_use_is_neither_released_nor_taken(
    ec2: "EC2Client", launch: Launch
) -> None:
    first, second = launch(), launch()
    allocation = ec2.allocate_address()["AllocationId"]
    association = ec2.associate_address(AllocationId=allocation, InstanceId=first.instance_id)
    assert code(ec2.release_address, AllocationId=allocation) == "InvalidIPAddress.InUse"
    assert (
        code(
            ec2.associate_address,
            AllocationId=allocation,
            InstanceId=second.instance_id,
            AllowReassociation=False,
        )
        == "Resource.AlreadyAssociated"
    )
    ec2.disassociate_address(AssociationId=association["AssociationId"])
    ec2.release_address(AllocationId=allocation)
    assert code(ec2.describe_addresses, AllocationIds=[allocation]) == (
        "InvalidAllocationID.NotFound"
    )


def test_a_security_group_in_use_is_not_deleted(
    ec2: "EC2Client", launch: Launch, ssh_group: str
) -> None:
    launch()
    assert code(ec2.delete_security_group, GroupId=ssh_group) == "DependencyViolation"


def test_an_unknown_instance_is_not_found_by_every_call(ec2: "EC2Client") -> None:
    nobody = "i-00000000000000000"
    calls = (
        ec2.start_instances,
        ec2.stop_instances,
        ec2.reboot_instances,
        ec2.terminate_instances,
    )
    assert {code(call, InstanceIds=[nobody]) for call in calls} == {"InvalidInstanceID.NotFound"}
    assert code(ec2.get_console_output, InstanceId=nobody) == "InvalidInstanceID.NotFound"


def test_the_root_volume_is_as_asked_for(ec2: "EC2Client", launch: Launch) -> None:
    ebs = {"Encrypted": True, "VolumeSize": 12, "VolumeType": "gp3"}
    host = launch(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": ebs}])
    volume = describe(ec2, host.instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    [found] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (found["Encrypted"], found["Size"], found["VolumeType"]) == (True, 12, "gp3")
