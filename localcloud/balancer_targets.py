"""Targets: who is registered, and who is checked."""

import logging
import threading
import time
from collections.abc import Callable

from localcloud.balancer_attributes import values
from localcloud.balancer_checks import failed
from localcloud.balancer_health import Check, Checker
from localcloud.balancer_rules import Balancer, Endpoint
from localcloud.balancer_target import (
    DRAINING,
    NO_ZONE,
    NOT_REGISTERED,
    NOT_USED,
    REGISTERING,
    Health,
    Target,
    not_running,
)
from localcloud.balancer_view import balancer, by_name
from localcloud.records import Record, state
from localcloud.seams import Emulator
from localcloud.settings import Settings

logger = logging.getLogger("localcloud")
# A Network Load Balancer forgets connections that were idle for this long, in seconds.
_IDLE = 350


class Targets:
    """Registers targets, has them checked, and says what the router needs to know."""

    def __init__(self, settings: Settings, emulator: Emulator) -> None:
        self._settings = settings
        self._alb = emulator.alb
        self._ec2 = emulator.ec2
        self._lock = threading.RLock()
        self._targets: list[Target] = []
        self._ended: dict[tuple[str, Endpoint], float] = {}
        self.changed: Callable[[], None] = lambda: None

    def register(self, group: Record, wanted: list[Record]) -> None:
        """Register instances; one that is registered or draining is registered anew.

        Raises:
            ApiError: One is not there, not in the group's VPC, or does not run.

        """
        found = [self._instance(group, one) for one in wanted]
        with self._lock:
            for instance, port in found:
                known = self._find(group, instance["InstanceId"], port)
                if known and known.ends is None:
                    continue
                if known:
                    self._targets.remove(known)
                made = Target(group["TargetGroupArn"], instance, port)
                self._targets.append(made)
                self._ended.pop((made.group, made.endpoint), None)
        self.changed()

    def deregister(self, group: Record, wanted: list[Record]) -> None:
        """Begin to take targets out; who is not registered is no error."""
        attributes = values(self._alb._tg_attrs[group["TargetGroupArn"]])
        delay = int(attributes["deregistration_delay.timeout_seconds"])
        with self._lock:
            for target in self._chosen(group, wanted):
                if self._unused(target):
                    self._drop(target)
                elif target.ends is None:
                    self._stop(target)
                    target.ends = time.monotonic() + delay
        self.changed()

    def describe(self, group: Record, wanted: list[Record]) -> list[tuple[str, int, Health]]:
        """Return instance, port and health of the targets asked for, or of all."""
        with self._lock:
            chosen = self._chosen(group, wanted) if wanted else self.of(group["TargetGroupArn"])
            shown = [
                (target.instance["InstanceId"], target.port, self.health(target))
                for target in chosen
            ]
        known = {instance_id for instance_id, _, _ in shown}
        return shown + [
            (one["Id"], int(one.get("Port") or group["Port"]), NOT_REGISTERED)
            for one in wanted
            if one["Id"] not in known
        ]

    def health(self, target: Target) -> Health:
        """Return how a target is at this moment."""
        if target.ends is not None:
            return DRAINING
        return self._unused(target) or target.health

    def view(self) -> tuple[Balancer, ...]:
        """Bring checks and drains up to date, and return what the router needs to know."""
        with self._lock:
            self._compare()
            placed = (record for record in self._alb._lbs.all_values() if record["_nodes"])
            return tuple(balancer(self._alb, record, self) for record in placed)

    def ended(self, group: str) -> set[Endpoint]:
        """Return who left a group lately with a deregistration that ends connections."""
        return {endpoint for owner, endpoint in self._ended if owner == group}

    def of(self, group: str) -> list[Target]:
        """Return the targets of a group, draining ones too."""
        return [target for target in self._targets if target.group == group]

    def _instance(self, group: Record, wanted: Record) -> tuple[Record, int]:
        instance_id = wanted["Id"]
        instance = self._ec2._instances.get(instance_id)
        if instance is None:
            raise failed("ValidationError", f"Instance ID '{instance_id}' is not valid")
        if instance["VpcId"] != group["VpcId"]:
            raise failed(
                "InvalidTarget",
                "The following targets are not in the target group VPC"
                f" '{group['VpcId']}': '{instance_id}'",
            )
        if state(instance) != "running":
            raise failed(
                "InvalidTarget",
                "The following targets are not in a running state and cannot be registered:"
                f" '{instance_id}'",
            )
        return instance, int(wanted.get("Port") or group["Port"])

    def _find(self, group: Record, instance_id: str, port: int) -> Target | None:
        mine = self.of(group["TargetGroupArn"])
        key = (instance_id, port)
        return next((one for one in mine if (one.instance["InstanceId"], one.port) == key), None)

    def _chosen(self, group: Record, wanted: list[Record]) -> list[Target]:
        return [
            target
            for target in self.of(group["TargetGroupArn"])
            for one in wanted
            if target.instance["InstanceId"] == one["Id"]
            and target.port == int(one.get("Port") or target.port)
        ]

    def _unused(self, target: Target) -> Health | None:
        if not target.runs:
            return not_running(target.instance)
        zones = self._zones(target.group)
        if zones is None:
            return NOT_USED
        return None if target.zone in zones else NO_ZONE

    def _zones(self, group: str) -> dict[str, str] | None:
        """Return the balancer's private address by zone; None when no listener uses the group."""
        found = by_name(self._alb._tgs).get(group)
        arns = found["LoadBalancerArns"] if found else []
        records = by_name(self._alb._lbs)
        if not arns or arns[0] not in records:
            return None
        return {node["zone"]: node["private"] for node in records[arns[0]]["_nodes"]}

    def _compare(self) -> None:
        now = time.monotonic()
        groups, instances = by_name(self._alb._tgs), by_name(self._ec2._instances)
        for target in list(self._targets):
            if target.group not in groups or target.instance["InstanceId"] not in instances:
                self._drop(target)
            elif target.ends is not None:
                if target.ends <= now:
                    self._finish(target)
            elif self._unused(target):
                self._stop(target)
                target.health, target.streak = REGISTERING, 0
            elif target.checker is None:
                self._start(target)
        self._ended = {key: until for key, until in self._ended.items() if until > now}

    def _drop(self, target: Target) -> None:
        self._stop(target)
        if not target.runs:
            self._ended[target.group, target.endpoint] = time.monotonic() + _IDLE
        self._targets.remove(target)

    def _finish(self, target: Target) -> None:
        logger.info("%s is deregistered", target.instance["InstanceId"])
        attributes = values(by_name(self._alb._tg_attrs).get(target.group, []))
        if attributes.get("deregistration_delay.connection_termination.enabled") == "true":
            self._ended[target.group, target.endpoint] = time.monotonic() + _IDLE
        self._drop(target)

    def _stop(self, target: Target) -> None:
        if target.checker:
            target.checker.stop()
            target.checker = None

    def _start(self, target: Target) -> None:
        target.checker = Checker(
            self._settings,
            lambda: self._check(target),
            lambda checker, wrong: self._note(target, checker, wrong),
        )

    def _check(self, target: Target) -> Check:
        group = by_name(self._alb._tgs)[target.group]
        port = group["HealthCheckPort"]
        return Check(
            (self._zones(target.group) or {})[target.zone],
            Endpoint(target.endpoint.address, target.port if port == "traffic-port" else int(port)),
            group["HealthCheckIntervalSeconds"],
            group["HealthCheckTimeoutSeconds"],
            group.get("HealthCheckPath", ""),
            group.get("Matcher", {}).get("HttpCode", ""),
        )

    def _note(self, target: Target, checker: Checker, wrong: str) -> None:
        with self._lock:
            group = by_name(self._alb._tgs).get(target.group)
            if group is None or checker.stopped:
                return
            before = target.health
            target.note(
                group["HealthyThresholdCount"],
                group["UnhealthyThresholdCount"],
                passed=not wrong,
            )
        if target.health != before:
            instance_id, name = target.instance["InstanceId"], group["TargetGroupName"]
            logger.info("%s in %s is %s %s", instance_id, name, target.health.state, wrong)
            self.changed()
