"""The CloudFormation type AWS::AutoScaling::AutoScalingGroup."""

from collections.abc import Callable

from localcloud.autoscaling_fields import invalid
from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_records import in_service
from localcloud.cloudformation_instance import Made, Properties
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

REPLACING = ("AutoScalingGroupName", "InstanceId")
_PATIENCE = 600
# What a property is when the template no longer names it.
_REMOVED: Properties = {
    "DefaultInstanceWarmup": -1,
    "HealthCheckType": "EC2",
    "TargetGroupARNs": [],
    "TerminationPolicies": ["Default"],
}


class AutoScalingGroupType:
    """AWS::AutoScaling::AutoScalingGroup; done when as many hosts serve as are desired."""

    def __init__(self, emulator: Emulator, groups: Groups, kick: Callable[[], None]) -> None:
        self._emulator = emulator
        self._groups = groups
        self._kick = kick

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Make the group and wait for its hosts."""
        name = properties.get("AutoScalingGroupName") or (
            self._emulator.provisioners._physical_name(stack, logical_id, max_len=255)
        )
        with self._groups.changed:
            group = self._groups.create(name, properties)
        try:
            self._stabilize(group)
        except ApiError:
            self.delete(name, properties)
            raise
        return name, _attributes(group)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change the group; hosts that serve stay as they are."""
        del stack
        with self._groups.changed:
            group = self._groups.find(physical_id)
            kept = group["DesiredCapacity"]
            removed = {key: one for key, one in _REMOVED.items() if key in old}
            self._groups.update(group, {**removed, **new})
            self._groups.tag(group, new.get("Tags") or [])
            changed = group["DesiredCapacity"] != kept
        if changed:
            self._stabilize(group)
        return physical_id, _attributes(group)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """End the group's hosts, wait for their end, and remove the group."""
        del properties
        with self._groups.changed:
            if physical_id not in self._emulator.autoscaling._asgs:
                return
            group = self._groups.find(physical_id)
            self._groups.update(group, {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0})
            self._kick()
            if not self._groups.changed.wait_for(lambda: not group["Instances"], _PATIENCE):
                ids = ", ".join(member["InstanceId"] for member in group["Instances"])
                raise invalid(f"Group did not stabilize: {ids} did not end in {_PATIENCE} s")
            self._groups.delete(group, force=False)

    def _stabilize(self, group: Record) -> None:
        def settled() -> bool:
            return _failure(group) != "" or len(in_service(group)) == group["DesiredCapacity"]

        with self._groups.changed:
            group["_failures"] = 0
            self._kick()
            self._groups.changed.wait_for(settled, _PATIENCE)
            serving = len(in_service(group))
            if serving != group["DesiredCapacity"]:
                least, desired = group["MinSize"], group["DesiredCapacity"]
                raise invalid(
                    "Group did not stabilize. {current/minSize/desired} group size ="
                    f" {{{serving}/{least}/{desired}}}. {_failure(group)}"
                )


def _failure(group: Record) -> str:
    """Return why the last launch failed, "" when none has failed since the last that served."""
    if not group["_failures"]:
        return ""
    failed = (one for one in group["_activities"] if one["StatusCode"] == "Failed")
    return f"Failed Scaling Activity: {next(failed)['StatusMessage']}"


def _attributes(group: Record) -> Properties:
    arn = group["AutoScalingGroupARN"]
    return {"AutoScalingGroupARN": arn, "Arn": arn}
