"""Log groups and alarms of the cloud under test, as a service that is watched would use them."""

import json
import time
from typing import Any

import boto3

from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until

# The alarms' clock counts a minute as over five seconds after its end; one more for the machine.
SETTLED = 6


def minute(ago: int = 1) -> int:
    """The middle of a whole minute that is over, in seconds since the epoch."""
    return int(time.time() - SETTLED) // 60 * 60 - 60 * ago + 30


def early(seconds: int = 20) -> None:
    """Wait until `minute()` stays the same for so long: a test writes to it and looks at it."""
    until(lambda: (time.time() - SETTLED) % 60 < 60 - seconds, "a minute has begun", seconds + 5)


class Watched:
    """A service's log group with one stream, and what CloudWatch shows of it."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        given: Any = connection(cloud)
        self.name = name
        self.group = f"/{name}/server"
        self.logs: Any = boto3.client("logs", **given)
        self.cloudwatch: Any = boto3.client("cloudwatch", **given)

    def create(self) -> None:
        self.logs.create_log_group(logGroupName=self.group)
        self.open_stream("one")

    def open_stream(self, stream: str) -> None:
        self.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)

    def write(self, *lines: dict[str, Any] | str, at: float | None = None, to: str = "one") -> Any:
        moment = int((minute() if at is None else at) * 1000)
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        events = [{"timestamp": moment, "message": text} for text in texts]
        return self.logs.put_log_events(logGroupName=self.group, logStreamName=to, logEvents=events)

    def filter(self, name: str, pattern: str, value: str = "1", **made: Any) -> None:
        transformation = {
            "metricName": name,
            "metricNamespace": self.name,
            "metricValue": value,
            **made,
        }
        self.logs.put_metric_filter(
            logGroupName=self.group,
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[transformation],
        )

    def values(self, name: str, statistic: str = "Sum", minutes: int = 3) -> list[float]:
        """The metric's values of the last whole minutes that have one, oldest first."""
        metric = {"Namespace": self.name, "MetricName": name}
        stat = {"Metric": metric, "Period": 60, "Stat": statistic}
        found = self.cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "one", "MetricStat": stat}],
            StartTime=minute(minutes) - 30,
            EndTime=minute(0) - 30,
            ScanBy="TimestampAscending",
        )
        values: list[float] = found["MetricDataResults"][0]["Values"]
        return values

    def alarm_name(self, name: str) -> str:
        return f"{self.name}-{name}"

    def alarm(self, name: str, **configuration: Any) -> None:
        self.cloudwatch.put_metric_alarm(
            AlarmName=self.alarm_name(name),
            **{
                "Namespace": self.name,
                "MetricName": name,
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                **configuration,
            },
        )

    def described(self, name: str) -> Any:
        names = [self.alarm_name(name)]
        [found] = self.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        return found

    def state(self, name: str) -> str:
        return str(self.described(name)["StateValue"])
