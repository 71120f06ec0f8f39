"""The hosts of a fleet, from AWS's records and from behind."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import boto3

from plugins.module_utils.aws_cloud import Cloud as Aws
from plugins.module_utils.fleet import Fleet
from tests.chaos.host import Host
from tests.e2e.environment import Environment

KEYS = {"region": "us-east-1", "access_key": "local", "secret_key": "local"}
STARTED = re.compile(r"^grpc_server_call_started_total\{.*Saudar\"\} (\d+)", re.MULTILINE)
LOOK_AGAIN_SECONDS = 0.25


class Hosts:
    """The hosts of an environment's Auto Scaling group."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._known: dict[str, Host] = {}
        self.aws = Aws({"endpoint_url": environment.cloud.endpoint, **KEYS})
        [stack] = self.aws.cloudformation.describe_stacks(StackName=environment.name)["Stacks"]
        found = {one.get("OutputKey"): one.get("OutputValue", "") for one in stack["Outputs"]}
        self.group = found["AutoScalingGroupName"]
        self._fleet = Fleet(self.aws, self.group, found["TargetGroupArn"], print)

    @cached_property
    def cloudwatch(self) -> Any:
        """The CloudWatch API."""
        session = boto3.Session("local", "local", region_name=KEYS["region"])
        return session.client("cloudwatch", endpoint_url=self._environment.cloud.endpoint)

    @property
    def wanted(self) -> int:
        """How many hosts the group wants."""
        return self._fleet.members()[0]

    def staying(self) -> set[str]:
        """Return the ids of the hosts that do not leave."""
        return {member.instance for member in self._fleet.members()[1]}

    def host(self, instance: str) -> Host:
        """Return a host by its id."""
        if instance not in self._known:
            environment = self._environment
            self._known[instance] = Host(environment.name, environment.cloud, instance)
        return self._known[instance]

    def oldest(self) -> Host:
        """Return the host that was launched first."""
        found = self.aws.ec2.describe_instances(InstanceIds=[*self.staying()])
        launched = [
            (instance["LaunchTime"], instance["InstanceId"])
            for reservation in found["Reservations"]
            for instance in reservation["Instances"]
        ]
        return self.host(min(launched)[1])

    def are_whole(self) -> bool:
        """Tell whether as many hosts as are wanted take calls.

        By the balancer's word, which takes seconds to notice, and by each server's own.
        """
        wanted, members = self._fleet.members()
        return len(members) == wanted and all(
            member.is_ready and self.host(member.instance).get("/ready") for member in members
        )

    def are_at_rest(self) -> bool:
        """Tell whether they are whole, and those that had to leave have ended."""
        return len(self._shown()["Instances"]) == self.wanted and self.are_whole()

    def grace(self, seconds: int) -> int:
        """Set for how long the group does not judge new hosts; return what it was before."""
        before: int = self._shown()["HealthCheckGracePeriod"]
        self.aws.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=self.group, HealthCheckGracePeriod=seconds
        )
        return before

    @contextmanager
    def none_launched(self) -> Iterator[None]:
        """Keep the group from launching hosts until the block ends."""
        which: Any = {"AutoScalingGroupName": self.group, "ScalingProcesses": ["Launch"]}
        self.aws.autoscaling.suspend_processes(**which)
        try:
            yield
        finally:
            self.aws.autoscaling.resume_processes(**which)

    def calls(self) -> dict[str, int]:
        """Return how many greetings each server was asked for since it started."""
        return {
            one: sum(map(int, STARTED.findall(self.host(one).get("/metrics"))))
            for one in self.staying()
        }

    def cpu(self) -> float:
        """Return how busy the hosts were in the last three minutes, in percent of their CPUs."""
        now = datetime.now(UTC)
        found = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/EC2",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "AutoScalingGroupName", "Value": self.group}],
            StartTime=now - timedelta(minutes=3),
            EndTime=now,
            Period=60,
            Statistics=["Average"],
        )
        return max((one["Average"] for one in found["Datapoints"]), default=100.0)

    def alarm(self, level: str) -> dict[str, Any]:
        """Return the alarm of the policy that scales by CPU: High or Low."""
        found = self.cloudwatch.describe_alarms(AlarmNamePrefix=f"TargetTracking-{self.group}-")
        [alarm] = [one for one in found["MetricAlarms"] if f"-Alarm{level}-" in one["AlarmName"]]
        shown: dict[str, Any] = alarm
        return shown

    def _shown(self) -> Any:
        ask = self.aws.autoscaling.describe_auto_scaling_groups
        return ask(AutoScalingGroupNames=[self.group])["AutoScalingGroups"][0]


def until(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait for a condition and return how many seconds it took; fail by naming it."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(LOOK_AGAIN_SECONDS)
    return time.monotonic() - began
