"""The Auto Scaling calls of the API."""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from localcloud.autoscaling_fields import Fields, invalid, now, truth
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_hooks import Hooks
from localcloud.autoscaling_members import Members
from localcloud.autoscaling_policies import Policies
from localcloud.autoscaling_records import is_leaving
from localcloud.autoscaling_refresh import Refreshes
from localcloud.records import Handler, Parameters, Record, Response
from localcloud.seams import Emulator

_PROCESSES = (
    *("AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck", "InstanceRefresh"),
    *("Launch", "ReplaceUnhealthy", "ScheduledActions", "Terminate"),
)
_Answer = Callable[[Fields], Fields | None]


def rendered(value: Any) -> str:
    """Write a value as the XML of the query protocol."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{rendered(one)}</{key}>" for key, one in value.items())
    if isinstance(value, list | tuple):
        return "".join(f"<member>{rendered(one)}</member>" for one in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def shown(record: Record) -> Record:
    """Leave out what is nobody else's business, and what is not set."""
    return {
        key: value
        for key, value in record.items()
        if not key.startswith("_") and value not in (None, "")
    }


class AutoScaling:
    """Answers the API calls about groups and their members."""

    def __init__(
        self,
        emulator: Emulator,
        groups: Groups,
        members: Members,
        hooks: Hooks,
        refreshes: Refreshes,
        policies: Policies,
    ) -> None:
        self._autoscaling = emulator.autoscaling
        self._groups = groups
        self._members = members
        self._hooks = hooks
        self._refreshes = refreshes
        self._policies = policies

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        answers: dict[str, _Answer] = {
            "AttachLoadBalancerTargetGroups": self._attach,
            "CancelInstanceRefresh": self._refreshes.cancel,
            "CompleteLifecycleAction": self._complete,
            "CreateAutoScalingGroup": self._create,
            "DeleteAutoScalingGroup": self._delete,
            "DescribeAutoScalingGroups": self._describe,
            "DescribeAutoScalingInstances": self._instances,
            "DescribeInstanceRefreshes": self._refreshes.describe,
            "DescribeLoadBalancerTargetGroups": self._targets,
            "DescribeScalingActivities": self._activities,
            "DetachLoadBalancerTargetGroups": self._detach,
            "ExecutePolicy": self._policies.execute,
            "PutLifecycleHook": self._put_hook,
            "RecordLifecycleActionHeartbeat": self._heartbeat,
            "ResumeProcesses": self._resume,
            "SetDesiredCapacity": self._resize,
            "SetInstanceHealth": self._set_health,
            "SetInstanceProtection": self._protect,
            "StartInstanceRefresh": self._refreshes.start,
            "SuspendProcesses": self._suspend,
            "TerminateInstanceInAutoScalingGroup": self._terminate,
            "UpdateAutoScalingGroup": self._update,
        }
        return {action: self.handler(action, answer) for action, answer in answers.items()}

    def handler(self, action: str, answer: _Answer) -> Handler:
        """Make an API handler of a function from fields to the answer's fields."""

        def handle(parameters: Parameters) -> Response:
            prefixed = {f"all.{key}": value for key, value in parameters.items()}
            with self._groups.changed:
                result = answer(self._autoscaling._parse_nested(prefixed, "all"))
            inner = f"<{action}Result>{rendered(result or {})}</{action}Result>"
            response: Response = self._autoscaling._xml(200, f"{action}Response", inner)
            return response

        return handle

    def _named(self, fields: Fields) -> Record:
        return self._groups.find(fields.get("AutoScalingGroupName", ""))

    def _create(self, fields: Fields) -> None:
        tags = [{"PropagateAtLaunch": "false", **tag} for tag in fields.get("Tags") or ()]
        self._groups.create(fields.get("AutoScalingGroupName", ""), {**fields, "Tags": tags})

    def _update(self, fields: Fields) -> None:
        self._groups.update(self._named(fields), fields)

    def _delete(self, fields: Fields) -> None:
        self._groups.delete(self._named(fields), force=truth(fields.get("ForceDelete")))

    def _resize(self, fields: Fields) -> None:
        self._groups.resize(self._named(fields), int(fields["DesiredCapacity"]))

    def _describe(self, fields: Fields) -> Fields:
        return {
            "AutoScalingGroups": [
                _group(group)
                for group in self._autoscaling._asgs.values()
                if _chosen(group, fields)
            ]
        }

    def _instances(self, fields: Fields) -> Fields:
        ids = fields.get("InstanceIds") or ()
        return {
            "AutoScalingInstances": [
                {**_member(member), "AutoScalingGroupName": group["AutoScalingGroupName"]}
                for group in self._autoscaling._asgs.values()
                for member in group["Instances"]
                if not ids or member["InstanceId"] in ids
            ]
        }

    def _activities(self, fields: Fields) -> Fields:
        ids, name = fields.get("ActivityIds") or (), fields.get("AutoScalingGroupName")
        groups = [self._named(fields)] if name else self._autoscaling._asgs.values()
        return {
            "Activities": [
                activity
                for group in groups
                for activity in group["_activities"]
                if not ids or activity["ActivityId"] in ids
            ][: int(fields.get("MaxRecords") or 100)]
        }

    def _terminate(self, fields: Fields) -> Fields:
        group, member = self._groups.member(fields.get("InstanceId", ""))
        desired = group["DesiredCapacity"]
        cause = (
            f"At {now()} instance {member['InstanceId']} was taken out of service in response to a"
            " user request"
        )
        if truth(fields.get("ShouldDecrementDesiredCapacity")):
            if desired <= group["MinSize"]:
                raise invalid(
                    f"Currently, desiredSize equals minSize ({desired}). Terminating instance"
                    " without replacement will violate group's min size constraint. Either set"
                    " shouldDecrementDesiredCapacity flag to false or lower group's min size."
                )
            group["DesiredCapacity"] = desired - 1
            cause += f", shrinking the capacity from {desired} to {desired - 1}"
        if not is_leaving(member):
            self._members.end(group, member, f"{cause}.")
        return {"Activity": member["_activity"]}

    def _set_health(self, fields: Fields) -> None:
        group, member = self._groups.member(fields.get("InstanceId", ""))
        health = fields.get("HealthStatus")
        if health not in ("Healthy", "Unhealthy"):
            raise invalid("Invalid Health Status. You may only use one of [Healthy, Unhealthy].")
        respects = truth(fields.get("ShouldRespectGracePeriod", True))
        if not (health == "Unhealthy" and respects and self._members.in_grace(group, member)):
            member["HealthStatus"] = health

    def _protect(self, fields: Fields) -> None:
        protected = truth(fields.get("ProtectedFromScaleIn"))
        for instance_id in fields.get("InstanceIds") or ():
            self._groups.member(instance_id)[1]["ProtectedFromScaleIn"] = protected

    def _suspend(self, fields: Fields) -> None:
        group = self._named(fields)
        asked = fields.get("ScalingProcesses") or list(_PROCESSES)
        for process in asked:
            if process not in _PROCESSES:
                raise invalid(f"{process} is not a valid scaling process.")
        group["SuspendedProcesses"] = sorted({*group["SuspendedProcesses"], *asked})

    def _resume(self, fields: Fields) -> None:
        group = self._named(fields)
        asked = fields.get("ScalingProcesses") or list(_PROCESSES)
        group["SuspendedProcesses"] = sorted(set(group["SuspendedProcesses"]) - set(asked))

    def _attach(self, fields: Fields) -> None:
        group = self._named(fields)
        arns = dict.fromkeys([*group["TargetGroupARNs"], *fields["TargetGroupARNs"]])
        self._groups.update(group, {"TargetGroupARNs": list(arns)})

    def _detach(self, fields: Fields) -> None:
        group, leaving = self._named(fields), fields["TargetGroupARNs"]
        kept = [arn for arn in group["TargetGroupARNs"] if arn not in leaving]
        self._groups.update(group, {"TargetGroupARNs": kept})

    def _targets(self, fields: Fields) -> Fields:
        arns = self._named(fields)["TargetGroupARNs"]
        return {
            "LoadBalancerTargetGroups": [
                {"LoadBalancerTargetGroupARN": arn, "State": "InService"} for arn in arns
            ]
        }

    def _put_hook(self, fields: Fields) -> None:
        self._hooks.put(self._named(fields)["AutoScalingGroupName"], fields)

    def _complete(self, fields: Fields) -> None:
        self._hooks.complete(self._acting(fields), fields)

    def _heartbeat(self, fields: Fields) -> None:
        self._hooks.heartbeat(self._acting(fields), fields)

    def _acting(self, fields: Fields) -> Record | None:
        """Find the member that a lifecycle action is about, by its id or by the action's token."""
        token = fields.get("LifecycleActionToken")
        for member in self._named(fields)["Instances"]:
            action = member["_actions"].get(fields.get("LifecycleHookName"), {})
            if member["InstanceId"] == fields.get("InstanceId") or (
                token and action.get("token") == token
            ):
                found: Record = member
                return found
        return None


def _member(member: Record) -> Record:
    return shown(member)


def _group(group: Record) -> Record:
    return {
        **{key: value for key, value in shown(group).items() if key != "InstanceRefreshes"},
        "Instances": [_member(member) for member in group["Instances"]],
        "SuspendedProcesses": [
            {"ProcessName": process, "SuspensionReason": "User suspended"}
            for process in group["SuspendedProcesses"]
        ],
    }


def _chosen(group: Record, fields: Fields) -> bool:
    names = fields.get("AutoScalingGroupNames")
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    for wanted in fields.get("Filters") or ():
        name, values = str(wanted["Name"]), wanted["Values"]
        if name == "tag-key" and not set(values) & set(tags):
            return False
        if name == "tag-value" and not set(values) & set(tags.values()):
            return False
        if name.startswith("tag:") and tags.get(name.removeprefix("tag:")) not in values:
            return False
    return not names or group["AutoScalingGroupName"] in names
