"""The CloudFormation resource types that the emulator lacks.

A type is a create, an update and a delete; they run on threads of their own and may wait.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from localcloud import balancer_types, monitoring_types
from localcloud.addresses import Addresses
from localcloud.alarms import Alarms
from localcloud.autoscaling_groups import Groups
from localcloud.balancer_api import BalancerApi
from localcloud.cloudformation_autoscaling import REPLACING, AutoScalingGroupType
from localcloud.cloudformation_instance import INTERRUPTING, InstanceType, Made, Properties
from localcloud.keys import KeyPairs, generate, imported_fingerprint
from localcloud.launcher import Launcher
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator
from localcloud.templates import Templates

_REPLACING = {
    "AWS::AutoScaling::AutoScalingGroup": REPLACING,
    "AWS::EC2::Instance": (
        *("AvailabilityZone", "BlockDeviceMappings", "ImageId", "KeyName", "LaunchTemplate"),
        *("NetworkInterfaces", "PrivateIpAddress", "SecurityGroups", "SubnetId"),
    ),
    "AWS::EC2::EIP": ("Domain", "NetworkBorderGroup"),
    "AWS::EC2::EIPAssociation": ("AllocationId", "EIP", "InstanceId"),
    "AWS::EC2::KeyPair": ("KeyFormat", "KeyName", "KeyType", "PublicKeyMaterial", "Tags"),
    "AWS::ElasticLoadBalancingV2::Listener": ("LoadBalancerArn",),
    **monitoring_types.REPLACING,
}
_INTERRUPTING = {"AWS::EC2::Instance": INTERRUPTING}
_UNTAGGED = ("AWS::CloudWatch::Dashboard", "AWS::EC2::EIPAssociation")
_RULED = ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress")


class Type(Protocol):
    """What a resource type does; the names are the emulator's."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the resource; return what Ref and GetAtt show."""

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change the resource in place."""

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the resource; a missing one is no error."""


class AddressType:
    """AWS::EC2::EIP; its id is the address."""

    def __init__(self, emulator: Emulator, addresses: Addresses) -> None:
        self._emulator = emulator
        self._addresses = addresses

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Allocate an address, and point it to an instance where one is named."""
        del logical_id, stack
        address = self._addresses.allocate()
        return self._apply(address, {}, properties)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change tags and instance."""
        del stack
        return self._apply(self._find(physical_id), old, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Take the address from its instance and give it back."""
        del properties
        address = self._addresses.by_public_address(physical_id)
        if address:
            self._addresses.disassociate(address)
            self._addresses.release(address)

    def _find(self, public: str) -> Record:
        address = self._addresses.by_public_address(public)
        if address is None:
            raise ApiError("InvalidAddress.NotFound", f"Address '{public}' not found.")
        return address

    def _apply(self, address: Record, old: Properties, new: Properties) -> Made:
        allocation = address["AllocationId"]
        self._emulator.provisioners._ec2_apply_tags(allocation, new, old)
        if new.get("InstanceId"):
            self._addresses.associate(address, new["InstanceId"])
        elif old.get("InstanceId"):
            self._addresses.disassociate(address)
        return address["PublicIp"], {"AllocationId": allocation, "PublicIp": address["PublicIp"]}


class AssociationType:
    """AWS::EC2::EIPAssociation."""

    def __init__(self, emulator: Emulator, addresses: Addresses) -> None:
        self._ec2 = emulator.ec2
        self._addresses = addresses

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Point an Elastic IP to an instance."""
        del logical_id, stack
        allocation, public = properties.get("AllocationId", ""), properties.get("EIP", "")
        address = self._ec2._addresses.get(allocation) or self._addresses.by_public_address(public)
        if address is None:
            raise ApiError(
                "InvalidAllocationID.NotFound",
                f"The allocation ID '{allocation or public}' does not exist",
            )
        association = self._addresses.associate(address, properties.get("InstanceId", ""))
        return association, {"Id": association}

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change nothing: every property replaces the association."""
        del old, new, stack
        return physical_id, {"Id": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Take the Elastic IP away, unless it was associated anew meanwhile."""
        del properties
        for address in self._ec2._addresses.values():
            if address["AssociationId"] == physical_id:
                self._addresses.disassociate(address)


class KeyPairType:
    """AWS::EC2::KeyPair; without key material the private key goes to a SecureString."""

    def __init__(self, emulator: Emulator, keys: KeyPairs) -> None:
        self._emulator = emulator
        self._keys = keys

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Import the given key or generate one."""
        del logical_id, stack
        name, public = properties["KeyName"], properties.get("PublicKeyMaterial", "").strip()
        if public:
            pair = self._keys.add(name, public, imported_fingerprint(public))
        else:
            private, public, fingerprint = generate(properties.get("KeyType", "rsa"))
            pair = self._keys.add(name, public, fingerprint)
            self._store(pair["KeyPairId"], private)
        self._emulator.provisioners._ec2_apply_tags(pair["KeyPairId"], properties)
        attributes = ("KeyPairId", "KeyFingerprint")
        return name, {attribute: pair[attribute] for attribute in attributes}

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change nothing: every property replaces the pair."""
        del old, new, stack
        pair = self._emulator.ec2._key_pairs[physical_id]
        return physical_id, {key: pair[key] for key in ("KeyPairId", "KeyFingerprint")}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the pair and its private key."""
        del properties
        pair = self._emulator.ec2._key_pairs.get(physical_id)
        if pair:
            self._emulator.ssm._parameters.pop(_parameter(pair["KeyPairId"]), None)
            self._keys.remove(physical_id)

    def _store(self, pair_id: str, private: str) -> None:
        request = {"Name": _parameter(pair_id), "Type": "SecureString", "Value": private}
        status, _, body = self._emulator.ssm._put_parameter(request)
        if status >= 400:
            raise ApiError("InternalError", f"{request['Name']}: {json.loads(body)}")


def _parameter(pair_id: str) -> str:
    return f"/ec2/keypair/{pair_id}"


def install(
    emulator: Emulator,
    launcher: Launcher,
    templates: Templates,
    addresses: Addresses,
    keys: KeyPairs,
    groups: Groups,
    balancing: BalancerApi,
    alarms: Alarms,
    kick: Callable[[], None],
) -> None:
    """Register the types, and let them wait without blocking the API."""
    types: dict[str, Type] = {
        "AWS::EC2::Instance": InstanceType(emulator, launcher, templates, kick),
        "AWS::AutoScaling::AutoScalingGroup": AutoScalingGroupType(emulator, groups, kick),
        "AWS::EC2::EIP": AddressType(emulator, addresses),
        "AWS::EC2::EIPAssociation": AssociationType(emulator, addresses),
        "AWS::EC2::KeyPair": KeyPairType(emulator, keys),
        **balancer_types.types(emulator, balancing),
        **monitoring_types.types(emulator, alarms),
    }
    provisioners, stacks = emulator.provisioners, emulator.stacks
    for name, kind in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            action: _then(kick, getattr(kind, action)) for action in ("create", "update", "delete")
        }
        if name not in _UNTAGGED:
            provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")
    provisioners._REPLACING_PROPERTIES.update(_REPLACING)
    provisioners._CONDITIONALLY_REPLACING_PROPERTIES.update(_INTERRUPTING)
    for name in _RULED:
        handlers = provisioners._RESOURCE_HANDLERS.get(name, {})
        for action in {"create", "update", "delete"} & set(handlers):
            handlers[action] = _then(kick, handlers[action])
    _name_profiles(emulator)
    monitoring_types.check_groups(emulator)
    waits = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name in types or waits(name)


def _then(kick: Callable[[], None], action: Callable[..., Any]) -> Callable[..., Any]:
    def followed(*arguments: Any) -> Any:
        try:
            return action(*arguments)
        finally:
            kick()

    return followed


def _name_profiles(emulator: Emulator) -> None:
    """Let Ref of an instance profile be its name; the emulator shows the ARN."""
    handlers = emulator.provisioners._RESOURCE_HANDLERS["AWS::IAM::InstanceProfile"]
    create, update, delete = (handlers[action] for action in ("create", "update", "delete"))

    def named(made: Made) -> Made:
        arn, attributes = made
        return arn.rpartition("/")[2], attributes

    def arn(name: str) -> str:
        return str(emulator.iam._instance_profiles.get(name, {}).get("Arn", name))

    handlers.update(
        create=lambda *arguments: named(create(*arguments)),
        update=lambda name, *arguments: named(update(arn(name), *arguments)),
        delete=lambda name, *arguments: delete(arn(name), *arguments),
    )
