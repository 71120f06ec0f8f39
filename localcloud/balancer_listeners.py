"""Listeners: which port of a load balancer leads to which target group."""

from typing import Any

from localcloud.balancer import Balancers
from localcloud.balancer_checks import failed
from localcloud.balancer_groups import TargetGroups, number
from localcloud.records import Record
from localcloud.seams import Emulator

Properties = dict[str, Any]


class Listeners:
    """Makes, changes and removes listeners in the emulator's records."""

    def __init__(
        self, emulator: Emulator, balancers: Balancers, target_groups: TargetGroups
    ) -> None:
        self._alb = emulator.alb
        self._balancers = balancers
        self._target_groups = target_groups

    def find(self, arn: str) -> Record:
        """Return a listener of the caller's account and region.

        Raises:
            ApiError: There is none.

        """
        found: Record | None = self._alb._listeners.get(arn)
        if found is None:
            raise failed("ListenerNotFound", f"Listener '{arn}' not found")
        return found

    def create(self, properties: Properties) -> Record:
        """Record a listener.

        Raises:
            ApiError: A property does not fit.

        """
        balancer = str(properties.get("LoadBalancerArn", ""))
        self._balancers.find(balancer)
        prefix = balancer.replace(":loadbalancer/", ":listener/")
        arn = f"{prefix}/{self._alb._short_id()}"
        record: Record = {"ListenerArn": arn, "LoadBalancerArn": balancer}
        record |= self._checked(record, properties)
        self._alb._listeners[arn] = record
        self._alb._listener_attrs[arn] = [{"Key": "tcp.idle_timeout.seconds", "Value": "350"}]
        self._link()
        return record

    def change(self, arn: str, properties: Properties) -> Record:
        """Change a listener; what is not given stays as it is."""
        record = self.find(arn)
        record.update(self._checked(record, {**record, **properties}))
        self._link()
        return record

    def delete(self, arn: str) -> None:
        """Remove a listener; a missing one is no error."""
        for store in (self._alb._listeners, self._alb._listener_attrs, self._alb._tags):
            store.pop(arn, None)
        self._link()

    def delete_all(self, balancer: str) -> None:
        """Remove the listeners of a load balancer."""
        for record in self._alb._listeners.values():
            if record["LoadBalancerArn"] == balancer:
                self.delete(record["ListenerArn"])

    def _checked(self, record: Record, properties: Properties) -> Record:
        balancer, protocol = record["LoadBalancerArn"], properties.get("Protocol")
        if protocol != "TCP":
            raise failed("ValidationError", f"The local cloud has no listeners on {protocol}: TCP")
        port = number(properties, "Port", 1, 65535, 0)
        for other in self._alb._listeners.values():
            mine = other["LoadBalancerArn"] == balancer
            if mine and other["Port"] == port and other["ListenerArn"] != record["ListenerArn"]:
                raise failed(
                    "DuplicateListener",
                    f"A listener already exists on this port for this load balancer '{balancer}'",
                )
        group = self._target_group(properties.get("DefaultActions") or [])
        if set(group["LoadBalancerArns"]) - {balancer}:
            raise failed(
                "TargetGroupAssociationLimit",
                "The following target groups cannot be associated with more than one load"
                f" balancer: {group['TargetGroupArn']}",
            )
        if group["VpcId"] != self._balancers.find(balancer)["VpcId"]:
            raise failed(
                "InvalidConfigurationRequest",
                "The load balancer and the target group are in different VPCs",
            )
        arn = group["TargetGroupArn"]
        forward = {"TargetGroups": [{"TargetGroupArn": arn}]}
        action = {"Type": "forward", "TargetGroupArn": arn, "Order": 1, "ForwardConfig": forward}
        return {"Port": port, "Protocol": "TCP", "DefaultActions": [action]}

    def _target_group(self, actions: list[Record]) -> Record:
        if len(actions) != 1:
            raise failed("ValidationError", "Exactly one default action must be specified")
        [action] = actions
        if action.get("Type") != "forward":
            raise failed(
                "InvalidLoadBalancerAction",
                f"Action type '{action.get('Type')}' must be one of 'forward'",
            )
        forward = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        arns = [one["TargetGroupArn"] for one in forward]
        arns = arns or [action.get("TargetGroupArn", "")]
        if len(arns) != 1:
            raise failed("ValidationError", "The local cloud forwards to one target group only")
        return self._target_groups.find(str(arns[0]))

    def _link(self) -> None:
        """Write into each target group which load balancers use it."""
        for group in self._alb._tgs.values():
            group["LoadBalancerArns"] = sorted(
                {
                    listener["LoadBalancerArn"]
                    for listener in self._alb._listeners.values()
                    if listener["DefaultActions"][0]["TargetGroupArn"] == group["TargetGroupArn"]
                }
            )
