"""What is checked before anything is created: who am I, may I launch, what would be in the way."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.module_utils import stack_topology
from plugins.module_utils.aws_cloud import StackError, code_of, message_of
from plugins.module_utils.stack_events import describe
from plugins.module_utils.stack_recovery import NEVER_CREATED

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from plugins.module_utils.aws_cloud import Cloud

IMAGES = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
_NARROWEST_ANYWHERE = 8


@dataclass(frozen=True)
class Wish:
    """The hosts that are asked for; empty strings mean that AWS or the stack chooses."""

    name: str
    architecture: str
    instance_type: str
    key_name: str
    subnet_id: str
    ssh_ingress_cidr: str
    image_id: str = ""
    instance_limit: int = 0
    allow_ssh_from_anywhere: bool = False
    replace_instance: bool = False
    topology: str = "single"
    hosts: int = 1
    subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What the checks found; `parameters` are those that only AWS could answer."""

    account: str
    identity: str
    parameters: dict[str, str]


def check_cidr(wish: Wish) -> None:
    """Raise StackError unless SSH is open to a real range that is not the whole internet."""
    command = "-e ssh_ingress_cidr=$(curl --silent https://checkip.amazonaws.com)/32"
    if not wish.ssh_ingress_cidr:
        raise StackError(
            "ssh_ingress_cidr is not set: port 22 opens only to an address range that you name. "
            f"For the address of this machine, add to your command: {command}"
        )
    try:
        network = ipaddress.IPv4Network(wish.ssh_ingress_cidr)
    except ValueError as error:
        raise StackError(
            f"ssh_ingress_cidr is no IPv4 range: {error}. "
            f"For the address of this machine, add to your command: {command}"
        ) from error
    if network.prefixlen < _NARROWEST_ANYWHERE and not wish.allow_ssh_from_anywhere:
        raise StackError(
            f"ssh_ingress_cidr={network} would open port 22 to the internet: nothing was changed. "
            f"For the address of this machine only: {command}. "
            "If you really mean everybody: -e stack_allow_ssh_from_anywhere=true"
        )


class Preflight:
    """The checks for one wish; all of them only read."""

    def __init__(self, cloud: Cloud, wish: Wish) -> None:
        """Look up the stack as it is now."""
        self._cloud = cloud
        self._wish = wish
        stack = describe(cloud.cloudformation, wish.name)
        if stack is not None and stack["StackStatus"] in NEVER_CREATED:
            stack = None
        self._current = {
            item.get("ParameterKey", ""): item.get("ParameterValue", "")
            for item in (stack.get("Parameters", []) if stack else [])
        }
        self._topology = stack_topology.of(stack)

    def run(self) -> Findings:
        """Check everything; raise StackError, with the command to type, for what is in the way."""
        check_cidr(self._wish)
        if not self._cloud.region:
            raise StackError(
                "No region is configured: AWS cannot be asked. "
                "Set `region` in the inventory's cloudformation_stack.yml"
            )
        stack_topology.check_unchanged(self._wish.name, self._topology, self._wish.topology)
        caller = self._cloud.sts.get_caller_identity()
        if self._wish.topology == "fleet":
            stack_topology.check_identity(caller["Arn"])
        self._check_key()
        image, network = self._image(), self._network()
        if not self._current or self._wish.replace_instance:
            self._check_limit()
            self._check_launch(image)
        return Findings(caller["Account"], caller["Arn"], {"ImageId": image, **network})

    def _image(self) -> str:
        wish, current = self._wish, self._current.get("ImageId", "")
        if current and not wish.replace_instance:
            if self._current.get("Architecture") != wish.architecture:
                raise StackError(
                    f"The host is {self._current.get('Architecture')} and {wish.architecture} is "
                    "asked for: only a new host can be that. If you want it replaced, add to "
                    "your command: -e stack_replace_instance=true"
                )
            return current
        if wish.image_id:
            return wish.image_id
        name = IMAGES + wish.architecture
        return self._cloud.ssm.get_parameter(Name=name)["Parameter"].get("Value", "")

    def _network(self) -> dict[str, str]:
        wish = self._wish
        if wish.topology == "fleet":
            return stack_topology.network(self._cloud, wish.subnet_ids)
        if wish.subnet_id:
            subnets = self._cloud.ec2.describe_subnets(SubnetIds=[wish.subnet_id])["Subnets"]
            return {"SubnetId": wish.subnet_id, "VpcId": subnets[0]["VpcId"]}
        default = self._cloud.ec2.describe_vpcs(
            Filters=[{"Name": "is-default", "Values": ["true"]}]
        )
        if not default["Vpcs"]:
            raise StackError(
                f"The account has no default VPC in {self._cloud.region}: there is no network for "
                "the host. Make one with: aws ec2 create-default-vpc, or name a public subnet: "
                "-e stack_subnet_id=subnet-..."
            )
        return {"SubnetId": "", "VpcId": ""}

    def _check_key(self) -> None:
        if not self._wish.key_name:
            return
        try:
            self._cloud.ec2.describe_key_pairs(KeyNames=[self._wish.key_name])
        except self._cloud.ec2.exceptions.ClientError as error:
            if code_of(error) != "InvalidKeyPair.NotFound":
                raise
            raise StackError(
                f"The key pair {self._wish.key_name} does not exist in {self._cloud.region}: "
                "nobody could log in to the host. List those that do with: "
                "aws ec2 describe-key-pairs, or set stack_key_name to '' to have one made"
            ) from error

    def _check_limit(self) -> None:
        limit = self._wish.instance_limit
        running = self._running() if limit else []
        if limit and len(running) + self._wish.hosts > limit:
            raise StackError(
                f"{len(running)} instances are running in {self._cloud.region} and this account "
                f"may have {limit}: no other was launched. End one of them with: "
                f"aws ec2 terminate-instances --instance-ids ... ({', '.join(running)})"
            )

    def _running(self) -> list[str]:
        alive: list[FilterTypeDef] = [
            {"Name": "instance-state-name", "Values": ["pending", "running"]}
        ]
        pages = self._cloud.ec2.get_paginator("describe_instances").paginate(Filters=alive)
        return [
            instance["InstanceId"]
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]

    def _check_launch(self, image: str) -> None:
        wish = self._wish
        request: dict[str, Any] = {
            "DryRun": True, "ImageId": image, "MinCount": 1, "MaxCount": 1,
            "InstanceType": wish.instance_type,
        }  # fmt: skip
        if wish.key_name:
            request["KeyName"] = wish.key_name
        if wish.subnet_id or wish.subnet_ids:
            request["SubnetId"] = wish.subnet_id or wish.subnet_ids[0]
        makes_network = wish.topology == "fleet" and not wish.subnet_ids
        try:
            self._cloud.ec2.run_instances(**request)
        except self._cloud.ec2.exceptions.ClientError as error:
            # An account without a default VPC says so only to somebody who may launch.
            fine = {"DryRunOperation", *(["VPCIdNotSpecified"] if makes_network else [])}
            if code_of(error) not in fine:
                raise StackError(
                    f"AWS would not launch a {wish.instance_type} from {image}: "
                    f"{message_of(error)}. Nothing was created; choose another with "
                    "-e stack_instance_type=..., or ask for the right to launch"
                ) from error
