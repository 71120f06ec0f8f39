"""Launches a host in the local cloud, and ends it with all that came with it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from tests.conftest import Cloud
from tests.grpc_server.host import Host, wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# The releases' own ports too: what keeps strangers from them has to be the host itself.
PORTS = ((22, 22), (50051, 50052), (50061, 50069), (51061, 51069))
KEYS_BEGIN, KEYS_END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"


@contextmanager
def launched(cloud: Cloud, folder: Path) -> Iterator[Host]:
    """Run an instance with an Elastic IP; `folder` gets its SSH key and known_hosts."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    ec2 = session.client("ec2", endpoint_url=cloud.endpoint)
    ssm = session.client("ssm", endpoint_url=cloud.endpoint)
    name = f"grpc-server-{folder.parent.name}"
    with ExitStack() as cleanup:
        _import_key(ec2, name, folder, cleanup)
        group = _open_ports(ec2, name, cloud.operator, cleanup)
        image = ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"]
        address = ec2.allocate_address(Domain="vpc")
        cleanup.callback(ec2.release_address, AllocationId=address["AllocationId"])
        instance = ec2.run_instances(
            ImageId=image, InstanceType="t3.small", KeyName=name, SecurityGroupIds=[group],
            MinCount=1, MaxCount=1,
        )["Instances"][0]["InstanceId"]  # fmt: skip
        cleanup.callback(_terminate, ec2, instance)
        wait_for(lambda: _state(ec2, instance) == "running", "the instance runs")
        ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
        host = Host(
            instance, address["PublicIp"], folder,
            lambda: ec2.reboot_instances(InstanceIds=[instance]),
        )  # fmt: skip
        wait_for(lambda: _trust(ec2, host), "the console shows the host's SSH keys")
        wait_for(lambda: host.run("true", check=False).returncode == 0, "SSH answers")
        yield host


def _import_key(ec2: "EC2Client", name: str, folder: Path, cleanup: ExitStack) -> None:
    key = folder / "ssh_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    cleanup.callback(ec2.delete_key_pair, KeyName=name)


def _open_ports(ec2: "EC2Client", name: str, operator: str, cleanup: ExitStack) -> str:
    group = ec2.create_security_group(GroupName=name, Description="Tests of grpc_server")["GroupId"]
    cleanup.callback(ec2.delete_security_group, GroupId=group)
    for first, last in PORTS:
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=first, ToPort=last, CidrIp=f"{operator}/32"
        )
    return group


def _trust(ec2: "EC2Client", host: Host) -> bool:
    """Take the host's keys from the console; return whether they were there."""
    console = ec2.get_console_output(InstanceId=host.instance).get("Output", "")
    if KEYS_END not in console:
        return False
    keys = console.split(KEYS_BEGIN)[-1].split(KEYS_END)[0].split("\n")
    lines = [f"{host.instance} {key.strip()}\n" for key in keys if key.strip()]
    (host.folder / "known_hosts").write_text("".join(lines))
    return True


def _terminate(ec2: "EC2Client", instance: str) -> None:
    ec2.terminate_instances(InstanceIds=[instance])
    wait_for(lambda: _state(ec2, instance) == "terminated", "the instance is gone")


def _state(ec2: "EC2Client", instance: str) -> str:
    reservations = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    return reservations[0]["Instances"][0]["State"]["Name"]
