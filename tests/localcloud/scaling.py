"""A group of the cloud under test."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

from localcloud import engine
from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Group:
    """A group and what a client asks about it."""

    name: str
    cloud: Cloud
    api: Any
    ec2: "EC2Client"
    targets: str

    def show(self) -> Any:
        """Return what the API says about the group."""
        named = {"AutoScalingGroupNames": [self.name]}
        return self.api.describe_auto_scaling_groups(**named)["AutoScalingGroups"][0]

    def members(self) -> dict[str, str]:
        """Return the lifecycle states of the members."""
        return {one["InstanceId"]: one["LifecycleState"] for one in self.show()["Instances"]}

    def serving(self) -> set[str]:
        """Return the members that serve, each proven to have a running host."""
        found = {one for one, lifecycle in self.members().items() if lifecycle == "InService"}
        return {one for one in found if engine.inspect(one).status == "running"}

    def settle(self, count: int, without: str = "") -> set[str]:
        """Wait until the group is as large as this and at rest."""

        def settled() -> bool:
            members = self.members()
            return len(members) == count and without not in members and self.serving() == {*members}

        until(settled, f"{self.name} has {count} members")
        return self.serving()

    def resize(self, desired: int) -> set[str]:
        """Set the desired capacity and wait until it is reached."""
        self.api.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=desired)
        return self.settle(desired)

    def causes(self, instance_id: str) -> dict[str, str]:
        """Return the causes of a member's activities by what was done."""
        found = self.api.describe_scaling_activities(AutoScalingGroupName=self.name)["Activities"]
        return {
            one["Description"].split()[0]: one["Cause"]
            for one in found
            if instance_id in one["Description"]
        }

    def registered(self) -> set[str]:
        """Return the targets of the group's target group."""
        elb: Any = boto3.client("elbv2", **connection(self.cloud))
        found = elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {one["Target"]["Id"] for one in found}
