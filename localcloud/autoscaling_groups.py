"""Auto Scaling groups: their records, and what may be asked of them."""

import threading
from collections.abc import Iterator

from localcloud.autoscaling_fields import DEFAULTS, SIZES, Fields, Reader, invalid, now, truth
from localcloud.autoscaling_hooks import Hooks
from localcloud.autoscaling_records import is_leaving, new
from localcloud.autoscaling_targets import Targets
from localcloud.launcher import Launcher
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator
from localcloud.templates import Tags, Templates, tag_parameters


class Groups:
    """The groups of every account and region.

    Attributes:
        changed: Held while records are read or written; notified after each comparison.

    """

    def __init__(
        self,
        emulator: Emulator,
        launcher: Launcher,
        templates: Templates,
        targets: Targets,
        hooks: Hooks,
    ) -> None:
        self._emulator = emulator
        self._autoscaling = emulator.autoscaling
        self._ec2 = emulator.ec2
        self._launcher = launcher
        self._reader = Reader(emulator, templates)
        self._templates = templates
        self._targets = targets
        self._hooks = hooks
        self.changed = threading.Condition(threading.RLock())

    def every(self) -> Iterator[tuple[tuple[str, str], Record]]:
        """Iterate over all groups, with account and region of each."""
        for (account, region, _), group in list(self._autoscaling._asgs.all_items()):
            yield (account, region), group

    def find(self, name: str) -> Record:
        """Return a group of the caller's.

        Raises:
            ApiError: There is none of this name.

        """
        found: Record | None = self._autoscaling._asgs.get(name)
        if found is None:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
        return found

    def member(self, instance_id: str) -> tuple[Record, Record]:
        """Return a group of the caller's and its member with this id.

        Raises:
            ApiError: No group has it.

        """
        for group in self._autoscaling._asgs.values():
            for member in group["Instances"]:
                if member["InstanceId"] == instance_id:
                    return group, member
        raise invalid(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )

    def target_state(self, instance_id: str) -> str:
        """Say where a member is heading, InService or Terminated; "" for who is no member."""
        for _, group in self.every():
            for member in list(group["Instances"]):
                if member["InstanceId"] == instance_id:
                    return "Terminated" if is_leaving(member) else "InService"
        return ""

    def create(self, name: str, fields: Fields) -> Record:
        """Record a new group; its hosts are launched by the next comparison.

        Args:
            name: Its name.
            fields: As CreateAutoScalingGroup and CloudFormation name them.

        Raises:
            ApiError: It exists, or a value does not fit.

        """
        if name in self._autoscaling._asgs:
            raise ApiError(
                "AlreadyExists",
                "AutoScalingGroup by this name already exists - A group with the name"
                f" {name} already exists",
                service="AutoScaling",
            )
        responses = self._emulator.responses
        group = new(name, responses.get_account_id(), responses.get_region())
        self._settle(group, {**DEFAULTS, **fields})
        for hook in fields.get("LifecycleHookSpecificationList") or ():
            self._hooks.put(name, hook)
        group["_change"] = (
            f"At {now()} a user request created an AutoScalingGroup changing the desired capacity"
            f" from 0 to {group['DesiredCapacity']}."
        )
        self.tag(group, fields.get("Tags") or [])
        self._autoscaling._asgs[name] = group
        return group

    def update(self, group: Record, fields: Fields) -> None:
        """Change a group.

        Raises:
            ApiError: A value does not fit.

        """
        before = group["DesiredCapacity"]
        self._settle(group, fields)
        if group["DesiredCapacity"] != before:
            sizes = ", ".join(
                f"{word}: {group[size]}"
                for word, size in zip(("min", "max", "desired"), SIZES, strict=True)
            )
            group["_change"] = (
                f"At {now()} a user request update of AutoScalingGroup constraints to {sizes}"
                f" changing the desired capacity from {before} to {group['DesiredCapacity']}."
            )

    def resize(self, group: Record, desired: int, cause: str = "") -> None:
        """Set the desired capacity.

        Args:
            group: The group.
            desired: How many hosts.
            cause: Who asked, as a cause begins; empty for a user's request.

        Raises:
            ApiError: It is outside the group's limits.

        """
        for size, word, wrong in (
            ("MaxSize", "above max", desired > group["MaxSize"]),
            ("MinSize", "below min", desired < group["MinSize"]),
        ):
            if wrong:
                raise invalid(
                    f"New SetDesiredCapacity value {desired} is {word} value {group[size]} for the"
                    " AutoScalingGroup."
                )
        before, group["DesiredCapacity"] = group["DesiredCapacity"], desired
        who = cause or f"At {now()} a user request explicitly set group desired capacity"
        group["_change"] = f"{who} changing the desired capacity from {before} to {desired}."

    def delete(self, group: Record, *, force: bool) -> None:
        """End a group, with force its hosts too, at once.

        Raises:
            ApiError: It has hosts, and force is not asked for.

        """
        if group["Instances"] and not force:
            raise ApiError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot"
                " instance request(s) still in the group.",
                service="AutoScaling",
            )
        self.update(group, {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0})
        group["Status"] = "Delete in progress"
        if not group["Instances"]:
            self.forget(group)

    def forget(self, group: Record) -> None:
        """Remove the record of a group without hosts, and what belongs to it."""
        name = group["AutoScalingGroupName"]
        self._autoscaling._asgs.pop(name, None)
        self._autoscaling._tags.pop(name, None)
        self._autoscaling._delete_group_hooks(name)
        self._autoscaling._delete_group_policies(name)

    def tag(self, group: Record, tags: list[Fields]) -> None:
        """Replace a group's tags; those of a stack have no PropagateAtLaunch and are passed on."""
        name = group["AutoScalingGroupName"]
        group["Tags"] = self._autoscaling._tags[name] = [
            {
                "Key": str(tag["Key"]),
                "Value": str(tag.get("Value", "")),
                "ResourceId": name,
                "ResourceType": "auto-scaling-group",
                "PropagateAtLaunch": truth(tag.get("PropagateAtLaunch", True)),
            }
            for tag in tags
        ]

    def launch(self, group: Record, subnet: str) -> Record:
        """Launch one host for a group.

        Raises:
            ApiError: The launch is refused.

        """
        [record] = self._launcher.run(self._request(group, subnet))
        return record

    def template(self, group: Record) -> Record:
        """Return the version of its launch template that a group launches from now.

        Raises:
            ApiError: Template or version is gone.

        """
        return self._templates.version(group["LaunchTemplate"])

    def _request(self, group: Record, subnet: str) -> dict[str, str]:
        tags: Tags = {tag["Key"]: tag["Value"] for tag in group["Tags"] if tag["PropagateAtLaunch"]}
        tags["aws:autoscaling:groupName"] = group["AutoScalingGroupName"]
        named = {f"LaunchTemplate.{key}": str(one) for key, one in group["LaunchTemplate"].items()}
        return self._templates.merged(
            {**named, "SubnetId": subnet, **tag_parameters({"instance": tags})}
        )

    def _settle(self, group: Record, fields: Fields) -> None:
        changed = {**group, **self._reader.read(fields)}
        for name in ("MinSize", "MaxSize"):
            if name not in changed:
                raise invalid(f"{name} is required.")
        least, most = changed["MinSize"], changed["MaxSize"]
        if least > most:
            raise invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
        asked = self._reader.read(fields).get("DesiredCapacity")
        if asked is None:
            changed["DesiredCapacity"] = min(max(changed.get("DesiredCapacity", 0), least), most)
        elif not least <= asked <= most:
            raise invalid(
                f"Desired capacity:{asked} must be between the specified min size:{least} and max"
                f" size:{most}"
            )
        self._reader.place(changed)
        for arn in set(changed["TargetGroupARNs"]) - set(group.get("TargetGroupARNs", ())):
            if not self._targets.exists(arn):
                raise invalid(
                    "Provided Target Groups may not be valid. Please ensure they exist"
                    " and try again."
                )
        try:
            self._launcher.dry_run(self._request(changed, changed["_subnets"][0]))
        except ApiError as error:
            raise invalid(
                f"You must use a valid fully-formed launch template. {error.message}"
            ) from error
        group.update(changed)
