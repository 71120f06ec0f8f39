"""Members of Auto Scaling groups: each one's way from its launch to its end."""

import json
import logging
import time
from typing import Any

from localcloud.autoscaling_fields import now
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_hooks import LAUNCHING, TERMINATING, Hooks
from localcloud.autoscaling_records import is_leaving, note
from localcloud.autoscaling_targets import Targets
from localcloud.records import ApiError, Record, set_state, state
from localcloud.seams import Emulator

logger = logging.getLogger("localcloud")
_LONGEST_PAUSE = 60.0
_ENDED = {
    "EC2": "an EC2 health check indicating it has been terminated or stopped.",
    "ELB": "an ELB system health check failure.",
    "user": "a user health-check.",
}


class Members:
    """Moves members from state to state, one step a comparison."""

    def __init__(self, emulator: Emulator, groups: Groups, targets: Targets, hooks: Hooks) -> None:
        self._ec2 = emulator.ec2
        self._groups = groups
        self._targets = targets
        self._hooks = hooks

    def step(self, group: Record, member: Record, health: dict[str, dict[str, str]]) -> None:
        """Do what a member's state asks for.

        Args:
            group: Its group.
            member: The member.
            health: The states of targets by target group.

        """
        host = self._host(member)
        lifecycle = member["LifecycleState"]
        if is_leaving(member):
            self._leave(group, member, host, health)
        elif not _lives(host):
            if not _ignores_health(group):
                self._lose(group, member, host)
        elif lifecycle == "Pending":
            if host and state(host) == "running":
                waits = self._hooks.begin(group, member, LAUNCHING)
                member["LifecycleState"] = "Pending:Wait"
                if not waits:
                    self._serve(group, member)
        elif lifecycle == "Pending:Wait":
            self._heed(group, member)
        elif lifecycle == "InService":
            self._targets.synchronize(group, member)
            if not _ignores_health(group):
                self._judge(group, member, health)

    def start(self, group: Record, subnet: str, cause: str) -> bool:
        """Launch a member; say whether the launch was accepted."""
        zone = self._ec2._subnets[subnet]["AvailabilityZone"]
        details = json.dumps({"Subnet ID": subnet, "Availability Zone": zone})
        activity = {"Cause": cause, "Details": details}
        try:
            version = self._groups.template(group)
            host = self._groups.launch(group, subnet)
        except ApiError as error:
            activity["Description"] = "Launching a new EC2 instance"
            self._fail(group, note(group, activity), error.message)
            return False
        activity["Description"] = f"Launching a new EC2 instance: {host['InstanceId']}"
        group["Instances"].append(
            {
                "InstanceId": host["InstanceId"],
                "InstanceType": host["InstanceType"],
                "AvailabilityZone": zone,
                "LifecycleState": "Pending",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": group["NewInstancesProtectedFromScaleIn"],
                "LaunchTemplate": {
                    "LaunchTemplateId": version["LaunchTemplateId"],
                    "LaunchTemplateName": version["LaunchTemplateName"],
                    "Version": str(version["VersionNumber"]),
                },
                "_actions": {},
                "_activity": note(group, activity),
                "_launched": time.monotonic(),
                "_registered": set(),
                "_served": 0.0,
            }
        )
        return True

    def end(self, group: Record, member: Record, cause: str) -> None:
        """Begin a member's way out: no new traffic, then its hooks, then the end of its host."""
        opened = member.get("_activity")
        if opened:
            self._close(opened, "Cancelled")
        self._targets.leave(member)
        member["LifecycleState"] = "Terminating"
        zone = {"Availability Zone": member["AvailabilityZone"]}
        member["_activity"] = note(
            group,
            {
                "Description": f"Terminating EC2 instance: {member['InstanceId']}",
                "Cause": cause,
                "Details": json.dumps(zone),
            },
        )

    def replace(self, group: Record, member: Record, check: str) -> None:
        """End an unhealthy member; its successor's launch will say why."""
        member["HealthStatus"] = "Unhealthy"
        group["_replacing"] += 1
        self.end(
            group,
            member,
            f"At {now()} an instance was taken out of service in response to {_ENDED[check]}",
        )

    def _host(self, member: Record) -> Record | None:
        found: Record | None = self._ec2._instances.get(member["InstanceId"])
        return found

    def _lose(self, group: Record, member: Record, host: Record | None) -> None:
        """Replace a member whose host ended by itself or by somebody's hand."""
        if member["_served"] or member["LifecycleState"] != "Pending":
            self.replace(group, member, "EC2")
            return
        reason = host.get("StateReason") if host else ""
        self._fail(group, member["_activity"], reason or "Instance failed to launch.")
        group["Instances"].remove(member)

    def _heed(self, group: Record, member: Record) -> None:
        result = self._hooks.result(member)
        if result == "CONTINUE":
            self._serve(group, member)
        elif result == "ABANDON":
            self._fail(
                group,
                member.pop("_activity"),
                "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token"
                f" {next(one['token'] for one in member['_actions'].values())} was abandoned",
                pause=False,
            )
            group["_replacing"] += 1
            self.end(
                group,
                member,
                f"At {now()} an instance was taken out of service in response to a launch"
                " lifecycle action that was abandoned.",
            )

    def _serve(self, group: Record, member: Record) -> None:
        member["LifecycleState"] = "InService"
        member["_served"] = time.monotonic()
        group["_failures"] = 0
        self._close(member.pop("_activity"), "Successful")
        self._targets.synchronize(group, member)
        logger.info("%s serves in %s", member["InstanceId"], group["AutoScalingGroupName"])

    def _judge(self, group: Record, member: Record, health: dict[str, dict[str, str]]) -> None:
        if member["HealthStatus"] == "Unhealthy":
            self.replace(group, member, "user")
        elif group["HealthCheckType"] != "EC2" and not self.in_grace(group, member):
            states = [health[arn].get(member["InstanceId"]) for arn in group["TargetGroupARNs"]]
            if "unhealthy" in states:
                self.replace(group, member, "ELB")

    def in_grace(self, group: Record, member: Record) -> bool:
        """Say whether a member's health is not judged yet."""
        served = member["_served"]
        grace: int = group["HealthCheckGracePeriod"]
        return not served or time.monotonic() - served < grace

    def _leave(
        self,
        group: Record,
        member: Record,
        host: Record | None,
        health: dict[str, dict[str, str]],
    ) -> None:
        lifecycle, instance_id = member["LifecycleState"], member["InstanceId"]
        if host is None or state(host) == "terminated":
            self._close(member["_activity"], "Successful")
            group["Instances"].remove(member)
        elif lifecycle == "Terminating":
            drains = (health.get(arn, {}).get(instance_id) for arn in member["_registered"])
            if "draining" not in drains:
                hurried = group["Status"] or not _lives(host)
                waits = not hurried and self._hooks.begin(group, member, TERMINATING)
                member["LifecycleState"] = "Terminating:Wait" if waits else "Terminating:Proceed"
        elif lifecycle == "Terminating:Wait":
            if self._hooks.result(member) or group["Status"]:
                member["LifecycleState"] = "Terminating:Proceed"
        elif state(host) != "shutting-down":
            set_state(host, "shutting-down", "Client.UserInitiatedTerminate: User initiated")

    def _fail(
        self, group: Record, activity: dict[str, Any], reason: str, *, pause: bool = True
    ) -> None:
        if pause:
            group["_failures"] += 1
            seconds = min(_LONGEST_PAUSE, 2.0 ** group["_failures"])
            group["_launch_after"] = time.monotonic() + seconds
        activity["Description"] += f".  Status Reason: {reason}  Launching EC2 instance failed."
        activity["StatusMessage"] = f"{reason}  Launching EC2 instance failed."
        self._close(activity, "Failed")
        logger.info("%s: %s", group["AutoScalingGroupName"], activity["Description"])

    def _close(self, activity: dict[str, Any], status: str) -> None:
        if activity["StatusCode"] == "InProgress":
            activity.update(StatusCode=status, EndTime=now(), Progress=100)


def _lives(host: Record | None) -> bool:
    return host is not None and state(host) in ("pending", "running")


def _ignores_health(group: Record) -> bool:
    return bool({"HealthCheck", "ReplaceUnhealthy"} & {*group["SuspendedProcesses"]})
