"""The CloudFormation types AWS::ElasticLoadBalancingV2::LoadBalancer, TargetGroup, Listener."""

from typing import Any

from localcloud.balancer_api import BalancerApi
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]


def _attributes(properties: Properties, name: str) -> list[Record]:
    found: list[Record] = properties.get(name) or []
    return found


class LoadBalancerType:
    """AWS::ElasticLoadBalancingV2::LoadBalancer, of type network."""

    def __init__(self, emulator: Emulator, api: BalancerApi) -> None:
        self._emulator = emulator
        self._api = api

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the load balancer."""
        name = self._emulator.provisioners._physical_name(stack, logical_id, max_len=32)
        record = self._api.balancers.create({"Name": name, **properties})
        arn = record["LoadBalancerArn"]
        try:
            given = _attributes(properties, "LoadBalancerAttributes")
            self._api.balancers.set_attributes(arn, given)
        except ApiError:
            self._api.delete_balancer(arn)
            raise
        self._emulator.alb._tags[arn] = list(properties.get("Tags") or [])
        return arn, _shown(record)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change subnets, security groups, attributes and tags."""
        del stack
        balancers = self._api.balancers
        if any(old.get(name) != new.get(name) for name in ("Subnets", "SubnetMappings")):
            balancers.move(physical_id, new)
        if old.get("SecurityGroups") != new.get("SecurityGroups"):
            balancers.protect(physical_id, new.get("SecurityGroups") or [])
        balancers.set_attributes(physical_id, _attributes(new, "LoadBalancerAttributes"))
        _retag(self._emulator, physical_id, old, new)
        return physical_id, _shown(balancers.find(physical_id))

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the load balancer with its listeners."""
        del properties
        self._api.delete_balancer(physical_id)


class TargetGroupType:
    """AWS::ElasticLoadBalancingV2::TargetGroup, on TCP, of instances."""

    def __init__(self, emulator: Emulator, api: BalancerApi) -> None:
        self._emulator = emulator
        self._groups = api.groups
        self._targets = api.targets

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the target group and register the targets that it names."""
        name = self._emulator.provisioners._physical_name(stack, logical_id, max_len=32)
        record = self._groups.create({"Name": name, **properties})
        arn = record["TargetGroupArn"]
        try:
            self._groups.set_attributes(arn, _attributes(properties, "TargetGroupAttributes"))
            self._targets.register(record, properties.get("Targets") or [])
        except ApiError:
            self._groups.delete(arn)
            raise
        self._emulator.alb._tags[arn] = list(properties.get("Tags") or [])
        return arn, _group_shown(record)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change health check, attributes, targets and tags."""
        del stack
        record = self._groups.set_health_check(physical_id, new, keep=False)
        self._groups.set_attributes(physical_id, _attributes(new, "TargetGroupAttributes"))
        before, after = old.get("Targets") or [], new.get("Targets") or []
        self._targets.deregister(record, [one for one in before if one not in after])
        self._targets.register(record, [one for one in after if one not in before])
        _retag(self._emulator, physical_id, old, new)
        return physical_id, _group_shown(record)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the target group; its targets go with it."""
        del properties
        self._groups.delete(physical_id)


class ListenerType:
    """AWS::ElasticLoadBalancingV2::Listener, on TCP, forwarding to one target group."""

    def __init__(self, emulator: Emulator, api: BalancerApi) -> None:
        self._emulator = emulator
        self._listeners = api.listeners

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the listener."""
        del logical_id, stack
        record = self._listeners.create(properties)
        arn = record["ListenerArn"]
        self._emulator.alb._tags[arn] = list(properties.get("Tags") or [])
        return arn, {"ListenerArn": arn}

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change port, action and tags."""
        del stack
        self._listeners.change(physical_id, new)
        _retag(self._emulator, physical_id, old, new)
        return physical_id, {"ListenerArn": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the listener."""
        del properties
        self._listeners.delete(physical_id)


def _retag(emulator: Emulator, arn: str, old: Properties, new: Properties) -> None:
    emulator.provisioners._reconcile_tag_list(emulator.alb._tags.setdefault(arn, []), old, new)


def _shown(record: Record) -> dict[str, Any]:
    arn = record["LoadBalancerArn"]
    return {
        "CanonicalHostedZoneID": record["CanonicalHostedZoneId"],
        "DNSName": record["DNSName"],
        "LoadBalancerArn": arn,
        "LoadBalancerFullName": arn.partition(":loadbalancer/")[2],
        "LoadBalancerName": record["LoadBalancerName"],
        "SecurityGroups": record["SecurityGroups"],
    }


def _group_shown(record: Record) -> dict[str, Any]:
    arn = record["TargetGroupArn"]
    return {
        "LoadBalancerArns": record["LoadBalancerArns"],
        "TargetGroupArn": arn,
        "TargetGroupFullName": f"targetgroup/{arn.partition(':targetgroup/')[2]}",
        "TargetGroupName": record["TargetGroupName"],
    }


def types(
    emulator: Emulator, api: BalancerApi
) -> dict[str, LoadBalancerType | TargetGroupType | ListenerType]:
    """Return the types by name."""
    return {
        "AWS::ElasticLoadBalancingV2::LoadBalancer": LoadBalancerType(emulator, api),
        "AWS::ElasticLoadBalancingV2::TargetGroup": TargetGroupType(emulator, api),
        "AWS::ElasticLoadBalancingV2::Listener": ListenerType(emulator, api),
    }
