"""The CloudFormation resource types that the emulator lacks.

A type is a create, an update and a delete; they run on threads of their own and may wait.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from localcloud.addresses import Addresses
from localcloud.instances import Instances, Options, options, root_volume
from localcloud.keys import KeyPairs, generate, imported_fingerprint
from localcloud.records import ApiError, Record, set_state, state, wait_for_state
from localcloud.seams import Emulator

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]

_REPLACING = {
    "AWS::EC2::Instance": (
        *("AvailabilityZone", "BlockDeviceMappings", "ImageId", "KeyName", "LaunchTemplate"),
        *("NetworkInterfaces", "PrivateIpAddress", "SecurityGroups", "SubnetId"),
    ),
    "AWS::EC2::EIP": ("Domain", "NetworkBorderGroup"),
    "AWS::EC2::EIPAssociation": ("AllocationId", "EIP", "InstanceId"),
    "AWS::EC2::KeyPair": ("KeyFormat", "KeyName", "KeyType", "PublicKeyMaterial", "Tags"),
}
_INTERRUPTING = {"AWS::EC2::Instance": ("InstanceType", "UserData")}
_RULED = ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress")


class Type(Protocol):
    """What a resource type does; the names are the emulator's."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the resource; return what Ref and GetAtt show."""

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change the resource in place."""

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the resource; a missing one is no error."""


class InstanceType:
    """AWS::EC2::Instance."""

    def __init__(self, emulator: Emulator, instances: Instances, kick: Callable[[], None]) -> None:
        self._emulator = emulator
        self._ec2 = emulator.ec2
        self._instances = instances
        self._kick = kick

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Launch an instance and wait until it runs."""
        del logical_id, stack
        given = {**self._template(properties), **properties}
        nic: Properties = next(iter(given.get("NetworkInterfaces") or ()), {})
        with options(_options(given, nic)):
            [record] = self._instances.launch(
                str(given.get("ImageId", "")),
                str(given.get("InstanceType", "m1.small")),
                given.get("SubnetId") or nic.get("SubnetId") or self._subnet(given),
                1,
                given.get("KeyName", ""),
                given.get("UserData", ""),
                given.get("SecurityGroupIds") or nic.get("GroupSet"),
                given.get("PrivateIpAddress") or nic.get("PrivateIpAddress"),
                self._profile(given),
            )
        self._emulator.provisioners._ec2_apply_tags(record["InstanceId"], properties)
        self._reach(record, "running")
        return record["InstanceId"], _attributes(record)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change tags and groups at once; type and user data with a stop and a start."""
        del stack
        record = self._instances.find(physical_id)
        if old.get("SecurityGroupIds") != new.get("SecurityGroupIds"):
            record["SecurityGroups"] = [
                {"GroupId": group, "GroupName": self._ec2._security_groups[group]["GroupName"]}
                for group in new.get("SecurityGroupIds") or (self._ec2._DEFAULT_SG_ID,)
            ]
        self._emulator.provisioners._ec2_apply_tags(physical_id, new, old)
        if any(old.get(name) != new.get(name) for name in _INTERRUPTING["AWS::EC2::Instance"]):
            self._restart(record, new)
        self._kick()
        return physical_id, _attributes(record)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Terminate an instance and wait until it is gone."""
        del properties
        record = self._ec2._instances.get(physical_id)
        if record and state(record) != "terminated":
            set_state(record, "shutting-down", "Client.UserInitiatedTerminate: User initiated")
            self._reach(record, "terminated")

    def _restart(self, record: Record, new: Properties) -> None:
        if state(record) == "running":
            set_state(record, "stopping", expected="running")
            self._reach(record, "stopped")
        record["InstanceType"] = new.get("InstanceType", "m1.small")
        record["UserData"] = new.get("UserData", "")
        set_state(record, "pending", expected="stopped")
        self._reach(record, "running")

    def _reach(self, record: Record, wanted: str) -> None:
        self._kick()
        try:
            wait_for_state(record, wanted)
        except ApiError:
            if state(record) != "terminated":
                set_state(record, "shutting-down", record["StateReason"])
                self._kick()
            raise

    def _template(self, properties: Properties) -> Properties:
        data, _, error = self._ec2._resolve_launch_template_data(
            properties.get("LaunchTemplate") or {}
        )
        if error:
            raise ApiError("InvalidLaunchTemplateId.NotFound", "The launch template does not exist")
        return {key: value for key, value in data.items() if key != "TagSpecifications"}

    def _subnet(self, given: Properties) -> str:
        zone = given.get("AvailabilityZone")
        defaults = (one for one in self._ec2._subnets.values() if one.get("DefaultForAz"))
        chosen = (one["SubnetId"] for one in defaults if zone in (None, one["AvailabilityZone"]))
        return str(next(chosen, self._ec2._DEFAULT_SUBNET_ID))

    def _profile(self, given: Properties) -> Record | None:
        named = given.get("IamInstanceProfile")
        if not named:
            return None
        name = named if isinstance(named, str) else named.get("Name", named.get("Arn", ""))
        name = name.rpartition("/")[2]
        profile: Record | None
        profile, error = self._ec2._resolve_iam_instance_profile(iam_name=name)
        if error:
            raise ApiError(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM"
                " Instance Profile name",
            )
        return profile


def _options(given: Properties, nic: Properties) -> Options:
    public = nic.get("AssociatePublicIpAddress")
    mappings = given.get("BlockDeviceMappings") or [{}]
    return Options(
        public=None if public is None else str(public).lower() == "true",
        hop_limit=int((given.get("MetadataOptions") or {}).get("HttpPutResponseHopLimit", 1)),
        volume=root_volume(mappings[0].get("Ebs") or {}),
    )


def _attributes(record: Record) -> dict[str, Any]:
    return {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "InstanceId": record["InstanceId"],
        "PrivateDnsName": record["PrivateDnsName"],
        "PrivateIp": record["PrivateIpAddress"],
        "PublicDnsName": record["PublicDnsName"],
        "PublicIp": record["PublicIpAddress"],
        "State.Code": record["State"]["Code"],
        "State.Name": record["State"]["Name"],
        "VpcId": record["VpcId"],
    }


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
    instances: Instances,
    addresses: Addresses,
    keys: KeyPairs,
    kick: Callable[[], None],
) -> None:
    """Register the types, and let them wait without blocking the API."""
    types: dict[str, Type] = {
        "AWS::EC2::Instance": InstanceType(emulator, instances, kick),
        "AWS::EC2::EIP": AddressType(emulator, addresses),
        "AWS::EC2::EIPAssociation": AssociationType(emulator, addresses),
        "AWS::EC2::KeyPair": KeyPairType(emulator, keys),
    }
    provisioners, stacks = emulator.provisioners, emulator.stacks
    for name, kind in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            action: _then(kick, getattr(kind, action)) for action in ("create", "update", "delete")
        }
        if name != "AWS::EC2::EIPAssociation":
            provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")
    provisioners._REPLACING_PROPERTIES.update(_REPLACING)
    provisioners._CONDITIONALLY_REPLACING_PROPERTIES.update(_INTERRUPTING)
    for name in _RULED:
        handlers = provisioners._RESOURCE_HANDLERS.get(name, {})
        for action in {"create", "update", "delete"} & set(handlers):
            handlers[action] = _then(kick, handlers[action])
    waits = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name in types or waits(name)


def _then(kick: Callable[[], None], action: Callable[..., Any]) -> Callable[..., Any]:
    def followed(*arguments: Any) -> Any:
        try:
            return action(*arguments)
        finally:
            kick()

    return followed
