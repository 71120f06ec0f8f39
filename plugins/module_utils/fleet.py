"""The hosts of an Auto Scaling group, and how far they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import AwsError, StackError, code_of
from plugins.module_utils.fleet_launch import FAILED, parts, said
from plugins.module_utils.instance_console import console
from plugins.module_utils.plain_text import visible
from plugins.module_utils.stack_events import pauses

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from plugins.module_utils.aws_cloud import Cloud

# What Auto Scaling says of a host that it does not take away.
STAYING = {"Pending", "Pending:Wait", "Pending:Proceed", "InService"}
# Seconds in which a group begins to take hosts away that are too many.
_BEGINS_WITHIN = 60.0
# A host that failed tries again when another release is named, and needs a moment to see that.
_BELIEVED_AFTER = 30.0
_CONSOLE_LINES = 20


@dataclass(frozen=True)
class Member:
    """One host of the group.

    Attributes:
        instance: Its id.
        state: What Auto Scaling says of it, such as InService.
        health: What the load balancer says of it, such as healthy; empty when it was not asked.
        reason: Why it is not healthy, in AWS's words.

    """

    instance: str
    state: str
    health: str = ""
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls."""
        return self.state == "InService" and self.health == "healthy"


class Fleet:
    """One group, and the balancer's targets in it when a target group is given."""

    def __init__(self, cloud: Cloud, group: str, targets: str, say: Callable[[str], None]) -> None:
        self._cloud = cloud
        self._group = group
        self._targets = targets
        self._say = say
        self._failed: dict[str, float] = {}

    def members(self) -> tuple[int, list[Member]]:
        """Return the number of hosts that is wanted, and the hosts that stay, by their ids."""
        answer = self._cloud.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=[self._group]
        )
        if not answer["AutoScalingGroups"]:
            raise StackError(
                f"The Auto Scaling group {self._group} does not exist: the stack was changed "
                "outside of CloudFormation. Remove it with teardown.yml, then run site.yml again"
            )
        group = answer["AutoScalingGroups"][0]
        health = self._health()
        members = [
            Member(
                instance["InstanceId"],
                instance["LifecycleState"],
                *health.get(instance["InstanceId"], ("", "")),
            )
            for instance in group.get("Instances", [])
            if instance["LifecycleState"] in STAYING
        ]
        return group["DesiredCapacity"], sorted(members, key=lambda member: member.instance)

    def described(self, members: list[Member]) -> list[dict[str, object]]:
        """Say of each host how far it is: of one that takes no calls, the end of its console.

        Of one that does, how many seconds each part of its way there took.
        """
        launched = self._launched(members)
        return [
            {
                "instance": member.instance,
                "state": member.state,
                "health": member.health,
                "ready": member.is_ready,
                "said": "" if member.is_ready else self._progress(member),
                "console": [] if member.is_ready else self._last_lines(member.instance),
                "seconds": self._parts(member, launched),
            }
            for member in members
        ]

    def launched(self, timeout: float) -> list[Member]:
        """Wait until as many hosts as are wanted are there; return them.

        Those that are too many have begun to leave then, unless the group takes long for that.
        """
        started = time.monotonic()
        for _ in pauses(timeout):
            wanted, members = self.members()
            is_late = time.monotonic() - started > _BEGINS_WITHIN
            if len(members) == wanted or (len(members) > wanted and is_late):
                return members
        raise StackError(
            f"The group {self._group} has {len(members)} of {wanted} hosts after {timeout:.0f} s. "
            "To see why: aws autoscaling describe-scaling-activities "
            f"--auto-scaling-group-name {self._group}"
        )

    def ready(self, timeout: float) -> list[Member]:
        """Wait until every host takes calls, saying how far they are; return them.

        Raises StackError with a host's own words when it could not configure itself.
        """
        started, shown = time.monotonic(), ""
        for _ in pauses(timeout):
            wanted, members = self.members()
            waiting = [member for member in members if not member.is_ready]
            progress = {member.instance: self._progress(member) for member in waiting}
            line = f"{len(members) - len(waiting)} of {wanted} hosts take calls"
            line += "".join(f"; {name}: {words}" for name, words in progress.items())
            if line != shown:
                self._say(f"{time.monotonic() - started:5.0f} s  {line}")
                shown = line
            if not waiting and len(members) >= wanted:
                return members
            self._refuse_failed(progress)
        raise StackError(
            f"Not every host of {self._group} takes calls after {timeout:.0f} s: {shown}."
            + "".join(f"\n{self._console(member.instance)}" for member in waiting)
        )

    def reached(self, instance: str, timeout: float) -> None:
        """Wait until the balancer sends calls to one host, whatever the others do."""
        state, reason = "", ""
        for _ in pauses(timeout):
            state, reason = self._health().get(instance, ("unknown", ""))
            if state == "healthy":
                return
        raise StackError(
            f"The load balancer sends no calls to {instance} after {timeout:.0f} s: it is {state}."
            f" {reason}. To see what it says: aws elbv2 describe-target-health --target-group-arn"
            f" {self._targets}"
        )

    def _launched(self, members: list[Member]) -> dict[str, datetime]:
        ready = [member.instance for member in members if member.is_ready]
        if not ready:
            return {}
        pages = self._cloud.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-id", "Values": ready}]
        )
        return {
            instance["InstanceId"]: instance["LaunchTime"]
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }

    def _parts(self, member: Member, launched: dict[str, datetime]) -> dict[str, float]:
        if member.instance not in launched:
            return {}
        return parts(launched[member.instance], self._output(member.instance))

    def _health(self) -> dict[str, tuple[str, str]]:
        if not self._targets:
            return {}
        answer = self._cloud.elbv2.describe_target_health(TargetGroupArn=self._targets)
        return {
            item["Target"]["Id"]: (
                item["TargetHealth"].get("State", ""),
                item["TargetHealth"].get("Description", ""),
            )
            for item in answer["TargetHealthDescriptions"]
            if "Target" in item and "TargetHealth" in item
        }

    def _progress(self, member: Member) -> str:
        if member.state != "InService":
            return member.state
        steps = said(self._output(member.instance))
        return visible(steps[-1]) if steps else "booting"

    def _refuse_failed(self, progress: dict[str, str]) -> None:
        now = time.monotonic()
        for instance, words in progress.items():
            if not words.startswith(FAILED):
                self._failed.pop(instance, None)
            elif now - self._failed.setdefault(instance, now) > _BELIEVED_AFTER:
                raise StackError(
                    f"The host {instance} could not configure itself: "
                    f"{words.removeprefix(FAILED)}\n{self._console(instance)}\n"
                    "It tries again when another release or configuration is published: correct "
                    "what is wrong, then run the same command again"
                )

    def _console(self, instance: str) -> str:
        return "\n".join([f"The end of the console of {instance}:", *self._last_lines(instance)])

    def _last_lines(self, instance: str) -> list[str]:
        return [visible(line) for line in self._output(instance).splitlines()[-_CONSOLE_LINES:]]

    def _output(self, instance: str) -> str:
        try:
            return console(self._cloud.ec2, instance)
        except AwsError as error:
            # A host that was replaced meanwhile has no console any more.
            if code_of(error).startswith("InvalidInstanceID"):
                return ""
            raise
