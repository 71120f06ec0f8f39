"""Keeps Auto Scaling groups at their size: launches, replaces, chooses who has to go."""

import logging
import time

from localcloud.autoscaling_fields import now
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_members import Members
from localcloud.autoscaling_metrics import Metrics
from localcloud.autoscaling_policies import Policies
from localcloud.autoscaling_records import staying
from localcloud.autoscaling_refresh import Refreshes
from localcloud.autoscaling_targets import Targets
from localcloud.records import Record
from localcloud.seams import Emulator

logger = logging.getLogger("localcloud")


class Reconciler:
    """Compares groups with their members, whenever the controller compares records and hosts."""

    def __init__(
        self,
        emulator: Emulator,
        groups: Groups,
        members: Members,
        targets: Targets,
        refreshes: Refreshes,
        policies: Policies,
        metrics: Metrics,
    ) -> None:
        self._emulator = emulator
        self._groups = groups
        self._members = members
        self._targets = targets
        self._refreshes = refreshes
        self._policies = policies
        self._metrics = metrics

    def compare(self) -> None:
        """Do the next step of every group."""
        with self._groups.changed:
            for scope, group in self._groups.every():
                with self._emulator.responses.request_scope(*scope):
                    self._guarded(group)
            self._groups.changed.notify_all()

    def _guarded(self, group: Record) -> None:
        """Let no group's trouble keep the others, or the hosts, from being looked after."""
        try:
            self._compare(group)
        except Exception:
            logger.exception("comparing %s with its members", group["AutoScalingGroupName"])

    def _compare(self, group: Record) -> None:
        arns = {arn for member in group["Instances"] for arn in member["_registered"]}
        health = {arn: self._targets.health(arn) for arn in arns | set(group["TargetGroupARNs"])}
        for member in list(group["Instances"]):
            self._members.step(group, member, health)
        suspended = group["SuspendedProcesses"]
        self._metrics.measure(group)
        if "AlarmNotification" not in suspended:
            self._policies.step(group)
        if "InstanceRefresh" not in suspended:
            self._refreshes.step(group, health)
        missing = group["DesiredCapacity"] + group["_surge"] - len(staying(group))
        if missing > 0 and "Launch" not in suspended:
            self._grow(group, missing)
        elif missing < 0 and "Terminate" not in suspended:
            self._shrink(group, -missing)
        if missing <= 0:
            group.update(_change="", _replacing=0)
        if group["Status"] and not group["Instances"]:
            self._groups.forget(group)

    def _grow(self, group: Record, count: int) -> None:
        if time.monotonic() < group["_launch_after"]:
            return
        for _ in range(count):
            before = len(staying(group))
            cause = self._growth(group, before)
            if not self._members.start(group, self._emptiest(group), cause):
                return

    def _growth(self, group: Record, before: int) -> str:
        if group["_replacing"]:
            group["_replacing"] -= 1
            return (
                f"At {now()} an instance was launched in response to an unhealthy instance"
                " needing to be replaced."
            )
        if group["_refreshing"]:
            return f"At {now()} an instance was launched in response to an instance refresh."
        return _joined(
            group["_change"],
            f"At {now()} an instance was started in response to a difference between desired and"
            f" actual capacity, increasing the capacity from {before} to {before + 1}.",
        )

    def _emptiest(self, group: Record) -> str:
        """Choose the subnet in the zone with fewest members; among equals the first named."""
        zones = [member["AvailabilityZone"] for member in staying(group)]
        subnets: list[str] = group["_subnets"]
        return min(subnets, key=lambda subnet: zones.count(self._zone(subnet)))

    def _zone(self, subnet: str) -> str:
        return str(self._emulator.ec2._subnets[subnet]["AvailabilityZone"])

    def _shrink(self, group: Record, count: int) -> None:
        for _ in range(count):
            members = staying(group)
            chosen = self._dispensable(group, members)
            if chosen is None:
                return
            before = len(members)
            self._members.end(
                group,
                chosen,
                _joined(
                    group["_change"],
                    f"At {now()} an instance was taken out of service in response to a difference"
                    " between desired and actual capacity, shrinking the capacity from"
                    f" {before} to {before - 1}.",
                    f"At {now()} instance {chosen['InstanceId']} was selected for termination.",
                ),
            )

    def _dispensable(self, group: Record, members: list[Record]) -> Record | None:
        """Choose whom the group misses least, as its termination policies say."""
        free = [member for member in members if not member["ProtectedFromScaleIn"]]
        if not free:
            return None
        zones = [member["AvailabilityZone"] for member in members]
        fullest = max(zones.count(member["AvailabilityZone"]) for member in free)
        there = [one for one in free if zones.count(one["AvailabilityZone"]) == fullest]
        policy = group["TerminationPolicies"][0]
        if policy == "NewestInstance":
            return max(there, key=lambda member: member["_launched"])
        if policy == "OldestInstance":
            return min(there, key=lambda member: member["_launched"])
        # The oldest template first, then the oldest host.
        return min(there, key=lambda member: (_age(group, member), member["_launched"]))


def _age(group: Record, member: Record) -> tuple[bool, int]:
    used, current = member["LaunchTemplate"], group["LaunchTemplate"]
    same = used["LaunchTemplateId"] == current["LaunchTemplateId"]
    return same, int(used["Version"])


def _joined(*sentences: str) -> str:
    return "  ".join(sentence for sentence in sentences if sentence)
