"""Recording new instances: for RunInstances, CloudFormation, fleets and Auto Scaling alike."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from localcloud import catalog
from localcloud.addresses import Addresses
from localcloud.permissions import Permissions
from localcloud.records import ApiError, Record, set_state
from localcloud.seams import Emulator
from localcloud.templates import tags_of

_USER_DATA_LIMIT = 16384


@dataclass(frozen=True)
class Options:
    """What a launch can ask for beyond the emulator's own arguments.

    Attributes:
        public: Give it a public address; None leaves that to the subnet.
        hop_limit: Network hops that a metadata token may travel.
        volume: Size, type and encryption of the root volume, as EC2 names them.

    """

    public: bool | None = None
    hop_limit: int = 1
    volume: dict[str, Any] = field(default_factory=dict)


_options: ContextVar[Options | None] = ContextVar("options", default=None)


@contextmanager
def options(chosen: Options) -> Iterator[None]:
    """Apply options to the launches inside the block."""
    token = _options.set(chosen)
    try:
        yield
    finally:
        _options.reset(token)


class Launcher:
    """Checks what a launch asks for and records the instances."""

    def __init__(self, emulator: Emulator, addresses: Addresses, permissions: Permissions) -> None:
        self._ec2 = emulator.ec2
        self._addresses = addresses
        self._permissions = permissions
        self._record: Callable[..., list[Record]] = self._ec2._launch_instances_internal

    def install(self) -> None:
        """Take the place of the one function that every launch in the emulator passes."""
        self._ec2._launch_instances_internal = self.launch

    def run(self, flat: dict[str, str], count: int = 1) -> list[Record]:
        """Launch as RunInstances asks for it.

        Args:
            flat: Its parameters, combined with the launch template's.
            count: How many.

        Raises:
            ApiError: A parameter names something that is not there or does not fit.

        """
        with options(_chosen(flat)):
            records = self.launch(*self._arguments(flat, count))
        for record in records:
            self._tag(record["InstanceId"], tags_of(flat, "instance"))
            for mapping in record["BlockDeviceMappings"]:
                self._tag(mapping["Ebs"]["VolumeId"], tags_of(flat, "volume"))
        return records

    def dry_run(self, flat: dict[str, str]) -> None:
        """Check what run() would check.

        Raises:
            ApiError: A parameter names something that is not there or does not fit.

        """
        image, kind, subnet, _, key, user_data, groups, *_ = self._arguments(flat, 1)
        self.check(image, kind, subnet, key, user_data, groups)

    def _arguments(self, flat: dict[str, str], count: int) -> tuple[Any, ...]:
        subnet = flat.get("SubnetId") or self._ec2._DEFAULT_SUBNET_ID
        return (
            *(flat.get("ImageId", ""), flat.get("InstanceType") or "m1.small", subnet, count),
            *(flat.get("KeyName", ""), flat.get("UserData", ""), self._groups(flat, subnet)),
            *(flat.get("PrivateIpAddress"), self.profile(flat)),
        )

    def _groups(self, flat: dict[str, str], subnet_id: str) -> list[str]:
        groups: list[str] = self._ec2._parse_member_list(flat, "SecurityGroupId")
        network = self._ec2._subnets.get(subnet_id, {}).get("VpcId")
        for name in self._ec2._parse_member_list(flat, "SecurityGroup"):
            every = self._ec2._security_groups.values()
            mine = (one for one in every if (one["GroupName"], one["VpcId"]) == (name, network))
            groups.append(next((str(one["GroupId"]) for one in mine), name))
        return groups

    def profile(self, flat: dict[str, str]) -> Record | None:
        """Return the instance profile that a launch names, None when it names none.

        Raises:
            ApiError: There is no such profile, or the caller may not hand its role on.

        """
        arn = flat.get("IamInstanceProfile.Arn", "")
        name = flat.get("IamInstanceProfile.Name", "") or arn.rpartition("/")[2]
        if not name:
            return None
        self._permissions.pass_role(name, "UnauthorizedOperation", "Ec2")
        profile: Record | None
        profile, error = self._ec2._resolve_iam_instance_profile(iam_name=name)
        if error:
            what = "arn" if arn else "name"
            raise ApiError(
                "InvalidParameterValue",
                f"Value ({arn or name}) for parameter iamInstanceProfile.{what} is invalid. Invalid"
                f" IAM Instance Profile {'ARN' if arn else 'name'}",
            )
        return profile

    def _tag(self, resource: str, tags: dict[str, str]) -> None:
        if tags:
            self._ec2._tags[resource] = [{"Key": key, "Value": one} for key, one in tags.items()]

    # The signature is the emulator's: RunInstances, fleets and launch templates all call it.
    def launch(
        self,
        image_id: str,
        instance_type: str,
        subnet_id: str,
        count: int,
        key_name: str = "",
        user_data: str = "",
        sg_ids: list[str] | None = None,
        requested_private_ip: str | None = None,
        iam_profile: Record | None = None,
    ) -> list[Record]:
        """Record new instances in the state pending; the controller boots them.

        Raises:
            ApiError: An argument names something that is not there or does not fit.

        """
        self.check(image_id, instance_type, subnet_id, key_name, user_data, sg_ids)
        subnet = self._ec2._subnets[subnet_id]
        launched = []
        with self._addresses.lock:
            for index in range(count):
                address = self._addresses.private(subnet, requested_private_ip or "")
                [record] = self._record(
                    *(image_id, instance_type, subnet_id, 1, key_name, user_data, sg_ids),
                    *(address, iam_profile),
                )
                self._complete(record, subnet, index)
                launched.append(record)
        return launched

    def _complete(self, record: Record, subnet: Record, index: int) -> None:
        chosen = _options.get() or Options()
        wants = subnet.get("MapPublicIpOnLaunch") if chosen.public is None else chosen.public
        record.update(
            Architecture=catalog.IMAGES[record["ImageId"]].architecture,
            AmiLaunchIndex=index,
            HopLimit=chosen.hop_limit,
            PublicIpAddress="",
            PublicDnsName="",
            _automatic="",
            _wants_public=bool(wants),
        )
        record["Placement"]["AvailabilityZone"] = subnet["AvailabilityZone"]
        for mapping in record["BlockDeviceMappings"]:
            volume = self._ec2._volumes[mapping["Ebs"]["VolumeId"]]
            volume.update(chosen.volume, AvailabilityZone=subnet["AvailabilityZone"])
        set_state(record, "pending")
        self._addresses.refresh(record)

    def check(
        self,
        image_id: str,
        instance_type: str,
        subnet_id: str,
        key_name: str,
        user_data: str,
        groups: list[str] | None,
    ) -> None:
        """Check a launch without launching.

        Raises:
            ApiError: An argument names something that is not there or does not fit.

        """
        catalog.check_launch(image_id, instance_type)
        if key_name and key_name not in self._ec2._key_pairs:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
        subnet = self._ec2._subnets.get(subnet_id)
        if subnet is None:
            raise ApiError(
                "InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist"
            )
        for group_id in groups or ():
            self._check_group(group_id, subnet)
        if len(base64.b64decode(user_data or "")) > _USER_DATA_LIMIT:
            raise ApiError(
                "InvalidParameterValue", f"User data is limited to {_USER_DATA_LIMIT} bytes"
            )

    def _check_group(self, group_id: str, subnet: Record) -> None:
        group = self._ec2._security_groups.get(group_id)
        if group is None:
            raise ApiError(
                "InvalidGroup.NotFound", f"The security group '{group_id}' does not exist"
            )
        if group["VpcId"] != subnet["VpcId"]:
            raise ApiError(
                "InvalidParameter",
                f"Security group {group_id} and subnet {subnet['SubnetId']} belong to different"
                " networks.",
            )


def _chosen(flat: dict[str, str]) -> Options:
    public = flat.get("AssociatePublicIpAddress", "").lower()
    ebs = "BlockDeviceMapping.1.Ebs."
    volume = {key.removeprefix(ebs): value for key, value in flat.items() if key.startswith(ebs)}
    return Options(
        public=None if not public else public == "true",
        hop_limit=int(flat.get("MetadataOptions.HttpPutResponseHopLimit", 1)),
        volume=_root_volume(volume),
    )


def _root_volume(ebs: dict[str, Any]) -> dict[str, Any]:
    """Translate a block device mapping's Ebs part into fields of a volume record."""
    volume: dict[str, Any] = {}
    if "VolumeSize" in ebs:
        volume["Size"] = int(ebs["VolumeSize"])
    if "VolumeType" in ebs:
        volume["VolumeType"] = ebs["VolumeType"]
    if "Encrypted" in ebs:
        volume["Encrypted"] = str(ebs["Encrypted"]).lower() == "true"
    return volume
