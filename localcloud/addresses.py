"""Private and public addresses: who has which, and the Elastic IP calls of the API."""

import threading
import uuid
from ipaddress import IPv4Address, IPv4Network
from xml.sax.saxutils import escape

from localcloud.records import ApiError, Handler, Parameters, Record, Response, matches, state
from localcloud.seams import Emulator
from localcloud.settings import Settings

# Network, router, resolver, reserve: AWS keeps the first four addresses of a subnet.
_RESERVED = 4
_FIRST_PUBLIC = 10
_FILTERS = {
    "allocation-id": "AllocationId",
    "association-id": "AssociationId",
    "instance-id": "InstanceId",
    "private-ip-address": "PrivateIpAddress",
    "public-ip": "PublicIp",
}


def new_id(prefix: str) -> str:
    """Return a fresh id in AWS's long form."""
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


class Addresses:
    """Hands out addresses and associates Elastic IPs."""

    def __init__(self, settings: Settings, emulator: Emulator) -> None:
        self._settings = settings
        self._emulator = emulator
        self._ec2 = emulator.ec2
        self._balancers = emulator.alb._lbs
        self.lock = threading.RLock()

    def _living(self) -> list[Record]:
        records = self._ec2._instances.all_values()
        return [record for record in records if state(record) != "terminated"]

    def _of_balancers(self, which: str) -> set[str]:
        records = self._balancers.all_values()
        return {node[which] for record in records for node in record["_nodes"]}

    def private(self, subnet: Record, wanted: str = "") -> str:
        """Return a free private address of a subnet; hold the lock until it is recorded.

        Raises:
            ApiError: The wanted one is taken or foreign, or none is left.

        """
        network = IPv4Network(subnet["CidrBlock"])
        if not network.subnet_of(self._settings.private_range):
            raise ApiError(
                "InvalidSubnet.Range",
                f"The subnet {network} is outside {self._settings.private_range},"
                " the range of this local cloud",
            )
        used = {record["PrivateIpAddress"] for record in self._living()}
        used |= self._of_balancers("private")
        if wanted and (wanted in used or IPv4Address(wanted) not in network):
            raise ApiError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
        free = (str(network[n]) for n in range(_RESERVED, network.num_addresses - 1))
        found = wanted or next((address for address in free if address not in used), "")
        if not found:
            raise ApiError(
                "InsufficientFreeAddressesInSubnet",
                f"There are not enough free addresses in subnet '{subnet['SubnetId']}'.",
            )
        return found

    def public(self) -> str:
        """Return a free public address; hold the lock until it is recorded.

        Raises:
            ApiError: None is left.

        """
        used = {address["PublicIp"] for address in self._ec2._addresses.all_values()}
        used |= {record.get("_automatic", "") for record in self._living()}
        used |= self._of_balancers("public")
        pool = self._settings.public_range
        for number in range(_FIRST_PUBLIC, pool.num_addresses - 1):
            if str(pool[number]) not in used:
                return str(pool[number])
        raise ApiError("AddressLimitExceeded", f"No address is left in {pool}.")

    def refresh(self, record: Record) -> None:
        """Write the public address that an instance has now into its record."""
        with self.lock:
            awake = state(record) in ("pending", "running")
            if not awake:
                record["_automatic"] = ""
            elastic = self._of_instance(record["InstanceId"])
            if awake and not elastic and record.get("_wants_public") and not record["_automatic"]:
                record["_automatic"] = self.public()
            record["PublicIpAddress"] = elastic["PublicIp"] if elastic else record["_automatic"]
            record["PublicDnsName"] = ""

    def forget(self, record: Record) -> None:
        """Take a terminated instance's public addresses away."""
        with self.lock:
            elastic = self._of_instance(record["InstanceId"])
            if elastic:
                self.disassociate(elastic)
            self.refresh(record)

    def _of_instance(self, instance_id: str) -> Record | None:
        everyone = self._ec2._addresses.all_values()
        return next((one for one in everyone if one["InstanceId"] == instance_id), None)

    def by_public_address(self, address: str) -> Record | None:
        """Find an Elastic IP of the caller's account by its address."""
        mine = self._ec2._addresses.values()
        return next((one for one in mine if one["PublicIp"] == address), None)

    def allocate(self) -> Record:
        """Record a new Elastic IP and return it."""
        with self.lock:
            address: Record = {
                "AllocationId": new_id("eipalloc"),
                "PublicIp": self.public(),
                "Domain": "vpc",
                "AssociationId": None,
                "InstanceId": None,
                "NetworkInterfaceId": None,
                "PrivateIpAddress": None,
            }
            self._ec2._addresses[address["AllocationId"]] = address
        return address

    def associate(self, address: Record, instance_id: str, *, move: bool = True) -> str:
        """Point an Elastic IP to an instance and return the association's id.

        Args:
            address: The Elastic IP.
            instance_id: The instance.
            move: Take it away from another instance that has it.

        Raises:
            ApiError: No such instance, or the address is in use and may not move.

        """
        record = self._ec2._instances.get(instance_id)
        if record is None or state(record) in ("shutting-down", "terminated"):
            raise ApiError(
                "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"
            )
        with self.lock:
            if address["InstanceId"] not in (None, instance_id) and not move:
                raise ApiError(
                    "Resource.AlreadyAssociated",
                    f"resource {address['AllocationId']} is already associated with"
                    f" associate-id {address['AssociationId']}",
                )
            previous = self._of_instance(instance_id)
            if previous is not None and previous is not address:
                self.disassociate(previous)
            former = self._ec2._instances.get(address["InstanceId"] or "")
            address["AssociationId"] = new_id("eipassoc")
            address["InstanceId"] = instance_id
            address["PrivateIpAddress"] = record["PrivateIpAddress"]
            for changed in filter(None, (former, record)):
                self.refresh(changed)
        return str(address["AssociationId"])

    def disassociate(self, address: Record) -> None:
        """Take an Elastic IP away from its instance."""
        with self.lock:
            former = self._ec2._instances.get(address["InstanceId"] or "")
            address.update(AssociationId=None, InstanceId=None, PrivateIpAddress=None)
            if former is not None:
                self.refresh(former)

    def release(self, address: Record) -> None:
        """Give an Elastic IP back.

        Raises:
            ApiError: It is still associated.

        """
        if address["AssociationId"]:
            raise ApiError("InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")
        self._ec2._addresses.pop(address["AllocationId"], None)
        self._ec2._tags.pop(address["AllocationId"], None)

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        return {
            "AllocateAddress": self._allocate,
            "AssociateAddress": self._associate,
            "DescribeAddresses": self._describe,
            "DisassociateAddress": self._disassociate,
            "ReleaseAddress": self._release,
        }

    def _named(self, parameters: Parameters) -> Record:
        allocation = self._ec2._p(parameters, "AllocationId")
        public = self._ec2._p(parameters, "PublicIp")
        found: Record | None = (
            self.by_public_address(public) if public else self._ec2._addresses.get(allocation)
        )
        if found is None:
            raise ApiError(
                "InvalidAllocationID.NotFound",
                f"The allocation ID '{allocation or public}' does not exist",
            )
        return found

    def _allocate(self, parameters: Parameters) -> Response:
        address = self.allocate()
        self._ec2._parse_tag_specs(parameters, "elastic-ip", address["AllocationId"])
        return self._emulator.answer(
            "AllocateAddress",
            f"<publicIp>{address['PublicIp']}</publicIp><domain>vpc</domain>"
            f"<allocationId>{address['AllocationId']}</allocationId>",
        )

    def _associate(self, parameters: Parameters) -> Response:
        move = str(self._ec2._p(parameters, "AllowReassociation")).lower() == "true"
        instance_id = self._ec2._p(parameters, "InstanceId")
        association = self.associate(self._named(parameters), instance_id, move=move)
        inner = f"<return>true</return><associationId>{association}</associationId>"
        return self._emulator.answer("AssociateAddress", inner)

    def _disassociate(self, parameters: Parameters) -> Response:
        wanted = self._ec2._p(parameters, "AssociationId")
        mine = self._ec2._addresses.values()
        found = next((one for one in mine if one["AssociationId"] == wanted), None)
        if found is None:
            raise ApiError(
                "InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist"
            )
        self.disassociate(found)
        return self._emulator.answer("DisassociateAddress", "<return>true</return>")

    def _release(self, parameters: Parameters) -> Response:
        self.release(self._named(parameters))
        return self._emulator.answer("ReleaseAddress", "<return>true</return>")

    def _describe(self, parameters: Parameters) -> Response:
        ids = self._ec2._parse_member_list(parameters, "AllocationId")
        ips = self._ec2._parse_member_list(parameters, "PublicIp")
        mine = {one["AllocationId"]: one for one in self._ec2._addresses.values()}
        for wanted in ids:
            if wanted not in mine:
                raise ApiError(
                    "InvalidAllocationID.NotFound",
                    f"The allocation ID '{wanted}' does not exist",
                )
        filters = self._ec2._parse_filters(parameters)
        chosen = (
            one
            for one in mine.values()
            if (not ids or one["AllocationId"] in ids)
            and (not ips or one["PublicIp"] in ips)
            and self._matches(one, filters)
        )
        items = "".join(map(self._xml, chosen))
        return self._emulator.answer("DescribeAddresses", f"<addressesSet>{items}</addressesSet>")

    def _matches(self, address: Record, filters: dict[str, list[str]]) -> bool:
        return matches(address, filters, _FILTERS) and self._emulator.tagged(
            address["AllocationId"], filters
        )

    def _xml(self, address: Record) -> str:
        fields = ("AllocationId", "PublicIp", "Domain", "AssociationId", "InstanceId")
        inner = "".join(
            f"<{name[0].lower()}{name[1:]}>{escape(address[name])}</{name[0].lower()}{name[1:]}>"
            for name in (*fields, "PrivateIpAddress")
            if address[name]
        )
        return f"<item>{inner}{self._ec2._tag_set_xml(address['AllocationId'])}</item>"
