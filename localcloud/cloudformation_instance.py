"""The CloudFormation type AWS::EC2::Instance."""

from collections.abc import Callable
from typing import Any

from localcloud.launcher import Launcher
from localcloud.records import ApiError, Record, set_state, state, wait_for_state
from localcloud.seams import Emulator
from localcloud.templates import Templates, flattened

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]

# Changing these stops the instance and starts it again.
INTERRUPTING = ("InstanceType", "UserData")


class InstanceType:
    """AWS::EC2::Instance."""

    def __init__(
        self,
        emulator: Emulator,
        launcher: Launcher,
        templates: Templates,
        kick: Callable[[], None],
    ) -> None:
        self._emulator = emulator
        self._ec2 = emulator.ec2
        self._launcher = launcher
        self._templates = templates
        self._kick = kick

    def create(self, logical_id: str, properties: Properties, stack: str) -> Made:
        """Launch an instance and wait until it runs."""
        del logical_id, stack
        given = {key: one for key, one in properties.items() if key != "Tags"}
        if isinstance(given.get("IamInstanceProfile"), str):
            given["IamInstanceProfile"] = {"Name": given["IamInstanceProfile"]}
        flat = self._templates.merged(flattened(given))
        flat.setdefault("SubnetId", self._subnet(given))
        [record] = self._launcher.run(flat)
        self._emulator.provisioners._ec2_apply_tags(record["InstanceId"], properties)
        self._reach(record, "running")
        return record["InstanceId"], _attributes(record)

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
        """Change tags, groups and profile at once; type and user data with a stop and a start."""
        del stack
        record: Record = self._ec2._instances[physical_id]
        if old.get("SecurityGroupIds") != new.get("SecurityGroupIds"):
            record["SecurityGroups"] = [
                {"GroupId": group, "GroupName": self._ec2._security_groups[group]["GroupName"]}
                for group in new.get("SecurityGroupIds") or (self._ec2._DEFAULT_SG_ID,)
            ]
        if old.get("IamInstanceProfile") != new.get("IamInstanceProfile"):
            named = {"IamInstanceProfile.Name": new.get("IamInstanceProfile", "")}
            record["IamInstanceProfile"] = self._launcher.profile(named)
        self._emulator.provisioners._ec2_apply_tags(physical_id, new, old)
        if any(old.get(name) != new.get(name) for name in INTERRUPTING):
            self._restart(record, new)
        self._kick()
        return physical_id, _attributes(record)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Terminate an instance and wait until it is gone."""
        del properties
        record = self._ec2._instances.get(physical_id)
        if record and state(record) != "terminated":
            set_state(record, "shutting-down", "Client.UserInitiatedTerminate: User initiated")
            self._reach(record, "terminated")

    def _restart(self, record: Record, new: Properties) -> None:
        if state(record) == "running":
            set_state(record, "stopping", expected="running")
            self._reach(record, "stopped")
        record["InstanceType"] = new.get("InstanceType", "m1.small")
        record["UserData"] = new.get("UserData", "")
        set_state(record, "pending", expected="stopped")
        self._reach(record, "running")

    def _reach(self, record: Record, wanted: str) -> None:
        self._kick()
        try:
            wait_for_state(record, wanted)
        except ApiError:
            if state(record) != "terminated":
                set_state(record, "shutting-down", record["StateReason"])
                self._kick()
            raise

    def _subnet(self, given: Properties) -> str:
        zone = given.get("AvailabilityZone")
        defaults = (one for one in self._ec2._subnets.values() if one.get("DefaultForAz"))
        chosen = (one["SubnetId"] for one in defaults if zone in (None, one["AvailabilityZone"]))
        return str(next(chosen, self._ec2._DEFAULT_SUBNET_ID))


def _attributes(record: Record) -> dict[str, Any]:
    return {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "InstanceId": record["InstanceId"],
        "PrivateDnsName": record["PrivateDnsName"],
        "PrivateIp": record["PrivateIpAddress"],
        "PublicDnsName": record["PublicDnsName"],
        "PublicIp": record["PublicIpAddress"],
        "State.Code": record["State"]["Code"],
        "State.Name": record["State"]["Name"],
        "VpcId": record["VpcId"],
    }
