"""Scaling policies: a group's size follows an alarm, or somebody's word."""

import json
import time
from math import ceil, floor

from localcloud.autoscaling_fields import Fields, invalid, now, truth
from localcloud.autoscaling_groups import Groups
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

_AGAIN = 60.0


class Policies:
    """Carries out what PutScalingPolicy and CloudFormation have recorded."""

    def __init__(self, emulator: Emulator, groups: Groups) -> None:
        self._autoscaling = emulator.autoscaling
        self._cloudwatch = emulator.cloudwatch
        self._groups = groups

    def execute(self, fields: Fields) -> None:
        """Answer ExecutePolicy.

        Raises:
            ApiError: There is no such policy, or it cannot be executed by hand.

        """
        group = self._groups.find(fields.get("AutoScalingGroupName", ""))
        name = fields.get("PolicyName", "")
        policy = next(
            (one for one in self._of(group) if name in (one["PolicyName"], one["PolicyARN"])), None
        )
        if policy is None:
            raise invalid(f"PolicyName not found - PolicyName: {name} does not exist.")
        if policy["PolicyType"] not in ("SimpleScaling", "StepScaling"):
            raise invalid(
                f"The policy {name} of type {policy['PolicyType']} follows its alarm"
                " and cannot be executed by hand."
            )
        if truth(fields.get("HonorCooldown")) and self._rests(group, policy):
            raise ApiError(
                "ScalingActivityInProgress",
                "You cannot execute the policy: the group's cooldown has not ended.",
                service="AutoScaling",
            )
        breach = None
        if policy["PolicyType"] == "StepScaling":
            if "MetricValue" not in fields or "BreachThreshold" not in fields:
                raise invalid("MetricValue and BreachThreshold are required for a step policy.")
            breach = float(fields["MetricValue"]) - float(fields["BreachThreshold"])
        who = f"At {now()} a user request executed policy {policy['PolicyName']}"
        self._resize(group, _adjusted(group, policy, breach), who)

    def step(self, group: Record) -> None:
        """Follow the alarms of a group: at once, and again each minute they last."""
        for policy in self._of(group):
            if not policy.get("Enabled", True):
                continue
            for alarm in self._cloudwatch._alarms.values():
                acts = alarm.get("ActionsEnabled", True) and alarm["StateValue"] == "ALARM"
                if acts and policy["PolicyARN"] in alarm.get("AlarmActions", ()):
                    self._follow(group, policy, alarm)

    def _of(self, group: Record) -> list[Record]:
        mine = group["AutoScalingGroupName"]
        every = self._autoscaling._policies.values()
        return [policy for policy in every if policy["AutoScalingGroupName"] == mine]

    def _follow(self, group: Record, policy: Record, alarm: Record) -> None:
        if self._rests(group, policy):
            return
        # Where it rests on missing data, or was set by hand, there is no value.
        recent = json.loads(alarm.get("StateReasonData") or "{}").get("recentDatapoints")
        value = float(recent[-1]) if recent else None
        if policy["PolicyType"] == "TargetTrackingScaling":
            desired = _tracked(group, policy, alarm, value)
        else:
            breach = None if value is None else value - float(alarm["Threshold"])
            desired = _adjusted(group, policy, breach)
        self._resize(
            group,
            desired,
            f"At {now()} a monitor alarm {alarm['AlarmName']} in state ALARM triggered policy"
            f" {policy['PolicyName']}",
        )

    def _rests(self, group: Record, policy: Record) -> bool:
        """Say whether the last change by a policy is too recent for another."""
        if policy["PolicyType"] == "SimpleScaling":
            pause = float(policy.get("Cooldown") or group["DefaultCooldown"])
        else:
            warmups = (policy.get("EstimatedInstanceWarmup"), group.get("DefaultInstanceWarmup"))
            known = (float(one) for one in warmups if one is not None)
            pause = max(next(known, float(group["DefaultCooldown"])), _AGAIN)
        return time.monotonic() - float(group.get("_resized", -pause)) < pause

    def _resize(self, group: Record, desired: int, who: str) -> None:
        within = min(max(desired, group["MinSize"]), group["MaxSize"])
        if within != group["DesiredCapacity"]:
            self._groups.resize(group, within, who)
            group["_resized"] = time.monotonic()


def _adjusted(group: Record, policy: Record, breach: float | None) -> int:
    """Return the size that a simple or step policy asks for."""
    amount = policy.get("ScalingAdjustment")
    if policy["PolicyType"] == "StepScaling":
        amount = _step(policy, breach)
    if amount is None:
        return int(group["DesiredCapacity"])
    if policy["AdjustmentType"] == "ExactCapacity":
        return int(amount)
    desired = int(group["DesiredCapacity"])
    if policy["AdjustmentType"] == "ChangeInCapacity":
        return desired + int(amount)
    change = desired * amount / 100
    # Towards zero, but never to it.
    whole = (max(1, floor(change)) if change > 0 else min(-1, ceil(change))) if change else 0
    least = int(policy.get("MinAdjustmentMagnitude") or 0)
    return desired + (max(whole, least) if whole > 0 else min(whole, -least) if whole else 0)


def _step(policy: Record, breach: float | None) -> int | None:
    """Return the adjustment of the step that a breach falls into; the nearest without a value."""
    for step in policy.get("StepAdjustments", ()):
        low = float(step.get("MetricIntervalLowerBound", "-inf"))
        high = float(step.get("MetricIntervalUpperBound", "inf"))
        if breach is None:
            inside = 0.0 in (low, high)
        else:
            inside = low <= breach < high if breach >= 0 else low < breach <= high
        if inside:
            return int(step["ScalingAdjustment"])
    return None


def _tracked(group: Record, policy: Record, alarm: Record, value: float | None) -> int:
    """Return the size at which the metric would be at its target."""
    desired = int(group["DesiredCapacity"])
    tracking = policy["TargetTrackingConfiguration"]
    if alarm["ComparisonOperator"].startswith("Less"):
        if tracking["DisableScaleIn"]:
            return desired
        # Never by more than one at a time: what is needed again is slow to come back.
        return desired - 1
    if value is None:
        return desired + 1
    return max(desired + 1, ceil(desired * value / float(tracking["TargetValue"])))
