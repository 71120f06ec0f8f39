"""New hosts in the place of a group's old ones: an instance refresh that is watched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import AwsError, StackError, code_of
from plugins.module_utils.fleet import Fleet
from plugins.module_utils.stack_events import pauses

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_autoscaling.type_defs import InstanceRefreshTypeDef, InstanceTypeDef

    from plugins.module_utils.aws_cloud import Cloud

_UNDER_WAY = {"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"}
# As many new hosts at once as there are old ones, and never fewer that take calls.
_LEAST, _MOST = 100, 200
_CANCEL_SECONDS = 120.0


class Replacement:
    """Replaces the hosts of one group."""

    def __init__(self, cloud: Cloud, group: str, targets: str, say: Callable[[str], None]) -> None:
        self._autoscaling = cloud.autoscaling
        self._fleet = Fleet(cloud, group, targets, say)
        self._group = group
        self._old: set[str] = set()
        self._say = say

    def members(self) -> set[str]:
        """Return the ids of all hosts of the group, with those that leave."""
        return {instance["InstanceId"] for instance in self._instances()}

    def start(self, warmup: int, *, only_outdated: bool) -> str:
        """Begin; return the refresh's id."""
        self._old = self.members()
        try:
            answer = self._autoscaling.start_instance_refresh(
                AutoScalingGroupName=self._group,
                Strategy="Rolling",
                Preferences={
                    "MinHealthyPercentage": _LEAST,
                    "MaxHealthyPercentage": _MOST,
                    "InstanceWarmup": warmup,
                    "SkipMatching": only_outdated,
                },
            )
        except AwsError as error:
            if code_of(error) != "InstanceRefreshInProgress":
                raise
            raise StackError(
                f"The hosts of {self._group} are being replaced already. How far that is: "
                f"{self._see()}. To end it: aws autoscaling cancel-instance-refresh "
                f"--auto-scaling-group-name {self._group}"
            ) from error
        return answer["InstanceRefreshId"]

    def follow(self, refresh: str, timeout: float, trouble: Callable[[], str]) -> None:
        """Wait until it is done and the old hosts are gone.

        Raises StackError when it fails, takes too long, or there is `trouble`, which says what
        forbids to go on, nothing while nothing does; in the last two cases it is cancelled.
        """
        started, said = time.monotonic(), ""
        for _ in pauses(timeout):
            found = self._find(refresh)
            line = f"{found.get('PercentageComplete', 0)} % of the hosts are replaced"
            if reason := found.get("StatusReason"):
                line += f": {reason}"
            if line != said:
                self._say(f"{time.monotonic() - started:5.0f} s  {line}")
                said = line
            status = found["Status"]
            if reason := trouble():
                raise StackError(f"{reason}. {self._cancel(refresh)}")
            if status == "Successful" and not self._leaving():
                return
            if status not in {*_UNDER_WAY, "Successful"}:
                raise StackError(
                    f"The hosts of {self._group} were not all replaced: it ended {status}. "
                    f"{found.get('StatusReason', '')} To see why: {self._see()}"
                )
        raise StackError(
            f"The hosts of {self._group} were not all replaced within {timeout:.0f} s: {said}. "
            f"{self._cancel(refresh)}"
        )

    def _find(self, refresh: str) -> InstanceRefreshTypeDef:
        answer = self._autoscaling.describe_instance_refreshes(
            AutoScalingGroupName=self._group, InstanceRefreshIds=[refresh]
        )
        return answer["InstanceRefreshes"][0]

    def _leaving(self) -> bool:
        return any(
            instance["LifecycleState"].startswith("Terminating") for instance in self._instances()
        )

    def _instances(self) -> list[InstanceTypeDef]:
        answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])
        return [
            instance
            for group in answer["AutoScalingGroups"]
            for instance in group.get("Instances", [])
        ]

    def _cancel(self, refresh: str) -> str:
        """Cancel what is under way; return a sentence on what is left.

        The group ends hosts that are too many then, whether they take calls or not: those that it
        needs are kept from that until it has as many as it wants.
        """
        if self._find(refresh)["Status"] not in _UNDER_WAY:
            return "All were replaced by then"
        wanted, members = self._fleet.members()
        ready = [member.instance for member in members if member.is_ready]
        ready.sort(key=lambda instance: instance not in self._old)
        self._protect(ready[:wanted], protected=True)
        self._autoscaling.cancel_instance_refresh(AutoScalingGroupName=self._group)
        for _ in pauses(_CANCEL_SECONDS):
            is_over = self._find(refresh)["Status"] not in _UNDER_WAY
            if is_over and len(self._fleet.members()[1]) <= wanted:
                break
        self._protect(ready[:wanted], protected=False)
        return f"No further one is replaced; {' and '.join(ready[:wanted])} take calls"

    def _protect(self, instances: list[str], *, protected: bool) -> None:
        if instances:
            self._autoscaling.set_instance_protection(
                AutoScalingGroupName=self._group,
                InstanceIds=instances,
                ProtectedFromScaleIn=protected,
            )

    def _see(self) -> str:
        return (
            f"aws autoscaling describe-instance-refreshes --auto-scaling-group-name {self._group}"
        )
