"""Load balancers: their addresses, zones, security groups and attributes."""

from typing import Any

from localcloud import network
from localcloud.addresses import Addresses
from localcloud.balancer_attributes import LOAD_BALANCER, merge, values
from localcloud.balancer_checks import check_name, failed, listed
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator
from localcloud.settings import Settings

Properties = dict[str, Any]
_HOSTED_ZONE = "Z26RNL4JYFTOTI"


class Balancers:
    """Makes, changes and removes Network Load Balancers in the emulator's records."""

    def __init__(self, settings: Settings, emulator: Emulator, addresses: Addresses) -> None:
        self._settings = settings
        self._emulator = emulator
        self._alb = emulator.alb
        self._ec2 = emulator.ec2
        self._addresses = addresses

    def find(self, arn: str) -> Record:
        """Return a load balancer of the caller's account and region.

        Raises:
            ApiError: There is none.

        """
        found: Record | None = self._alb._lbs.get(arn)
        if found is None:
            raise failed("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return found

    def create(self, properties: Properties) -> Record:
        """Record a load balancer and give it an address in each of its zones.

        Raises:
            ApiError: A property does not fit; AWS's words where AWS refuses it too.

        """
        name = str(properties.get("Name", ""))
        check_name("The load balancer", name)
        self._check_kind(properties)
        subnets = self._subnets(properties)
        scheme = properties.get("Scheme", "internet-facing")
        self._check_gateway(scheme, subnets)
        groups = self._groups(properties, subnets[0]["VpcId"])
        if any(one["LoadBalancerName"] == name for one in self._alb._lbs.values()):
            raise failed(
                "DuplicateLoadBalancerName",
                f"A load balancer with the same name '{name}' exists, but with different settings",
            )
        responses = self._emulator.responses
        region, account = responses.get_region(), responses.get_account_id()
        arn = (
            f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/{name}"
            f"/{self._alb._short_id()}"
        )
        record: Record = {
            "LoadBalancerArn": arn,
            "DNSName": "",
            "CanonicalHostedZoneId": _HOSTED_ZONE,
            "CreatedTime": self._alb._now_iso(),
            "LoadBalancerName": name,
            "Scheme": scheme,
            "VpcId": subnets[0]["VpcId"],
            "State": {"Code": "active"},
            "Type": "network",
            "AvailabilityZones": [],
            "SecurityGroups": groups,
            "IpAddressType": "ipv4",
            "_nodes": [],
        }
        self._alb._lbs[arn] = record
        self._alb._lb_attrs[arn] = [
            {"Key": key, "Value": one.default} for key, one in LOAD_BALANCER.items()
        ]
        try:
            self._place(record, subnets)
        except ApiError:
            self._forget(record)
            raise
        return record

    def move(self, arn: str, properties: Properties) -> Record:
        """Change the subnets; an address stays where its subnet stays."""
        record = self.find(arn)
        subnets = self._subnets(properties)
        self._check_gateway(record["Scheme"], subnets)
        self._place(record, subnets)
        return record

    def protect(self, arn: str, groups: list[str]) -> Record:
        """Change the security groups.

        Raises:
            ApiError: It was made without any, or a group is not there.

        """
        record = self.find(arn)
        if bool(record["SecurityGroups"]) != bool(groups):
            had = "with" if record["SecurityGroups"] else "without"
            raise failed(
                "InvalidConfigurationRequest",
                f"The load balancer was created {had} security groups: for a Network Load Balancer"
                " this cannot be changed",
            )
        record["SecurityGroups"] = self._groups({"SecurityGroups": groups}, record["VpcId"])
        return record

    def set_attributes(self, arn: str, given: list[Record]) -> list[Record]:
        """Change attributes and return all of them."""
        self.find(arn)
        merge("Load balancer", LOAD_BALANCER, self._alb._lb_attrs[arn], given)
        attributes: list[Record] = self._alb._lb_attrs[arn]
        return attributes

    def delete(self, arn: str) -> None:
        """Remove a load balancer with its listeners; a missing one is no error.

        Raises:
            ApiError: It is protected.

        """
        record = self._alb._lbs.get(arn)
        if record is None:
            return
        if values(self._alb._lb_attrs[arn])["deletion_protection.enabled"] == "true":
            raise failed(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        self._forget(record)

    def _forget(self, record: Record) -> None:
        arn = record["LoadBalancerArn"]
        for node in record["_nodes"]:
            network.remove_router_address(self._settings, node["private"])
        for store in (self._alb._lbs, self._alb._lb_attrs, self._alb._tags):
            store.pop(arn, None)

    def _check_kind(self, properties: Properties) -> None:
        if properties.get("Type", "application") != "network":
            raise self._lacks("load balancers of another type than 'network'")
        if properties.get("IpAddressType", "ipv4") != "ipv4":
            raise self._lacks("load balancers with IPv6")
        if properties.get("Scheme", "internet-facing") not in ("internet-facing", "internal"):
            raise failed(
                "ValidationError",
                f"1 validation error detected: Value '{properties['Scheme']}' at 'scheme' failed to"
                " satisfy constraint: Member must satisfy enum value set:"
                " [internal, internet-facing]",
            )

    @staticmethod
    def _lacks(what: str) -> ApiError:
        return failed("ValidationError", f"The local cloud has no {what}")

    def _subnets(self, properties: Properties) -> list[Record]:
        mappings = properties.get("SubnetMappings") or []
        if any(set(one) - {"SubnetId"} for one in mappings):
            raise self._lacks("addresses of one's own for a load balancer: give SubnetId only")
        wanted = [one["SubnetId"] for one in mappings] or listed(properties.get("Subnets"))
        if not wanted:
            raise failed("ValidationError", "At least one subnet must be specified")
        subnets = []
        for subnet_id in wanted:
            subnet = self._ec2._subnets.get(subnet_id)
            if subnet is None:
                raise failed("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
            subnets.append(subnet)
        if len({subnet["VpcId"] for subnet in subnets}) > 1:
            raise failed("InvalidConfigurationRequest", "Subnets are in different VPCs")
        if len({subnet["AvailabilityZone"] for subnet in subnets}) < len(subnets):
            raise failed(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability"
                " Zone",
            )
        return subnets

    def _check_gateway(self, scheme: str, subnets: list[Record]) -> None:
        vpc = subnets[0]["VpcId"]
        gateways = self._ec2._internet_gateways.values()
        attached = {one["VpcId"] for gateway in gateways for one in gateway["Attachments"]}
        if scheme == "internet-facing" and vpc not in attached:
            raise failed("InvalidSubnet", f"VPC {vpc} has no internet gateway")

    def _groups(self, properties: Properties, vpc: str) -> list[str]:
        wanted = listed(properties.get("SecurityGroups"))
        for group_id in wanted:
            group = self._ec2._security_groups.get(group_id)
            if group is None:
                raise failed(
                    "InvalidSecurityGroup", f"The security group '{group_id}' does not exist"
                )
            if group["VpcId"] != vpc:
                raise failed(
                    "InvalidConfigurationRequest",
                    f"The security group '{group_id}' is not in the VPC '{vpc}'",
                )
        return wanted

    def _place(self, record: Record, subnets: list[Record]) -> None:
        """Give the load balancer one node in each subnet, and take the others away."""
        with self._addresses.lock:
            former = {node["subnet"]: node for node in record["_nodes"]}
            for subnet in subnets:
                if subnet["SubnetId"] not in former:
                    record["_nodes"].append(self._node(record, subnet))
            wanted = {subnet["SubnetId"] for subnet in subnets}
            gone = [node for node in record["_nodes"] if node["subnet"] not in wanted]
            record["_nodes"] = [node for node in record["_nodes"] if node["subnet"] in wanted]
        for node in gone:
            network.remove_router_address(self._settings, node["private"])
        record["AvailabilityZones"] = [
            {
                "ZoneName": node["zone"],
                "SubnetId": node["subnet"],
                "LoadBalancerAddresses": [{"IpAddress": node["public"]}] if node["public"] else [],
            }
            for node in record["_nodes"]
        ]
        first = record["_nodes"][0]
        record["DNSName"] = first["public"] or first["private"]

    def _node(self, record: Record, subnet: Record) -> Record:
        node = {
            "subnet": subnet["SubnetId"],
            "zone": subnet["AvailabilityZone"],
            "private": self._addresses.private(subnet),
            "public": self._addresses.public() if record["Scheme"] == "internet-facing" else "",
        }
        network.add_router_address(self._settings, node["private"])
        return node
