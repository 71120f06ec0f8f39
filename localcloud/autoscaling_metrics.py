"""How busy a group's hosts are, measured each minute as CloudWatch shows it."""

import os
import time

from localcloud import catalog, engine
from localcloud.autoscaling_records import in_service
from localcloud.records import Record
from localcloud.seams import Emulator

_PERIOD = 60.0


class Metrics:
    """Publishes AWS/EC2 CPUUtilization of each group, and has the alarms look at it.

    Hosts share the machine's processors: 100 % is what a host of its type could take at most here.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._ec2 = emulator.ec2
        self._cloudwatch = emulator.cloudwatch
        self._used: dict[str, float] = {}

    def measure(self, group: Record) -> None:
        """Publish a group's value when a minute has passed since the last."""
        since = time.monotonic() - float(group.get("_measured", -_PERIOD))
        if since < _PERIOD:
            return
        values = [
            value
            for member in in_service(group)
            if (value := self._percent(member["InstanceId"], since)) is not None
        ]
        group["_measured"] = time.monotonic()
        if values:
            dimensions = {"AutoScalingGroupName": group["AutoScalingGroupName"]}
            mean = sum(values) / len(values)
            self._cloudwatch.record_metric("AWS/EC2", "CPUUtilization", mean, "Percent", dimensions)
            self._cloudwatch._evaluate_all_alarms()

    def _percent(self, instance_id: str, seconds: float) -> float | None:
        host = self._ec2._instances.get(instance_id)
        kind = catalog.instance_type(host["InstanceType"]) if host else None
        if host is None or kind is None:
            return None
        used = engine.cpu_seconds(host["_container"])
        before = self._used.get(instance_id)
        self._used[instance_id] = used
        if before is None:
            return None
        processors = min(kind.cpus, os.cpu_count() or 1)
        return min(100.0, 100 * (used - before) / seconds / processors)
