"""What Auto Scaling decides, with hosts, targets and a clock that the tests move."""

import json
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.autoscaling_groups import Groups
from localcloud.autoscaling_hooks import LAUNCHING, TERMINATING, Hooks
from localcloud.autoscaling_members import Members
from localcloud.autoscaling_metrics import Metrics
from localcloud.autoscaling_policies import Policies
from localcloud.autoscaling_reconciler import Reconciler
from localcloud.autoscaling_records import in_service, staying
from localcloud.autoscaling_refresh import Refreshes
from localcloud.autoscaling_targets import Targets
from localcloud.records import ApiError, Record
from localcloud.templates import Templates

CLOCKED = (
    *("autoscaling_hooks", "autoscaling_members", "autoscaling_metrics", "autoscaling_policies"),
    *("autoscaling_reconciler", "autoscaling_refresh"),
)
ARN = "target-group"


class World:
    """A group, and everything around it that the tests decide."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.hosts: dict[str, Record] = {}
        self.health: dict[str, str] = {}
        self.metrics: list[tuple[Any, ...]] = []
        self.alarms: dict[str, Record] = {}
        self.refuses = False
        self.autoscaling: Any = import_module("ministack.services.autoscaling")
        self.autoscaling.reset()
        versions = [
            {
                "LaunchTemplateId": "lt-1",
                "LaunchTemplateName": "template",
                "VersionNumber": number,
                "LaunchTemplateData": {"ImageId": "ami", "InstanceType": "t3.micro"},
            }
            for number in (1, 2)
        ]
        self.template: Record = {
            "LaunchTemplateId": "lt-1",
            "LaunchTemplateName": "template",
            "DefaultVersionNumber": 1,
            "LatestVersionNumber": 2,
            "Versions": versions,
        }
        zones = {"subnet-a": "a", "subnet-b": "b"}
        emulator: Any = SimpleNamespace(
            alb=SimpleNamespace(
                _ACTION_MAP={
                    "RegisterTargets": self.register,
                    "DeregisterTargets": self.deregister,
                    "DescribeTargetHealth": self.describe_health,
                }
            ),
            autoscaling=self.autoscaling,
            cloudwatch=SimpleNamespace(
                _alarms=self.alarms,
                _evaluate_all_alarms=lambda: None,
                record_metric=lambda *metric: self.metrics.append(metric),
            ),
            ec2=SimpleNamespace(
                _instances=self.hosts,
                _launch_templates={"lt-1": self.template},
                _subnets={key: {"AvailabilityZone": zone} for key, zone in zones.items()},
            ),
            responses=import_module("ministack.core.responses"),
            ssm=None,
        )
        targets, self.hooks = Targets(emulator), Hooks(emulator)
        launcher: Any = SimpleNamespace(run=self.run, dry_run=lambda _: None)
        templates = Templates(emulator)
        self.groups = Groups(emulator, launcher, templates, targets, self.hooks)
        self.members = Members(emulator, self.groups, targets, self.hooks)
        self.refreshes = Refreshes(self.groups, self.members)
        self.policies = Policies(emulator, self.groups)
        metrics = Metrics(emulator)
        parts = (emulator, self.groups, self.members, targets, self.refreshes, self.policies)
        self.compare = Reconciler(*parts, metrics).compare

    def create(self, **fields: Any) -> Record:
        """Make the group, of three at most unless the test says otherwise."""
        default = {
            "LaunchTemplate": {"LaunchTemplateId": "lt-1"},
            "MinSize": 0,
            "MaxSize": 3,
            "VPCZoneIdentifier": "subnet-a,subnet-b",
        }
        self.group = self.groups.create("group", {**default, **fields})
        self.pass_by()
        return self.group

    def run(self, flat: dict[str, str]) -> list[Record]:
        if self.refuses:
            raise ApiError("InvalidAMIID.NotFound", "The image is gone.")
        made: Record = {
            "InstanceId": f"i-{len(self.hosts) + 1}",
            "InstanceType": flat["InstanceType"],
            "_container": "container",
            "State": {"Name": "running"},
        }
        self.hosts[made["InstanceId"]] = made
        return [made]

    def pass_by(self, seconds: float = 0.0) -> None:
        """Let time pass, and the controller compare until nothing more happens."""
        self.now += seconds
        for _ in range(6):
            for host in self.hosts.values():
                if host["State"]["Name"] == "shutting-down":
                    host["State"] = {"Name": "terminated"}
            self.compare()

    def states(self) -> dict[str, str]:
        return {one["InstanceId"]: one["LifecycleState"] for one in self.group["Instances"]}

    def serving(self) -> list[str]:
        return [one["InstanceId"] for one in in_service(self.group)]

    def activity(self) -> Record:
        latest: Record = self.group["_activities"][0]
        return latest

    def register(self, parameters: dict[str, str]) -> Any:
        self.health.setdefault(parameters["Targets.member.1.Id"], "healthy")
        return 200, {}, b""

    def deregister(self, parameters: dict[str, str]) -> Any:
        self.health[parameters["Targets.member.1.Id"]] = "draining"
        return 200, {}, b""

    def describe_health(self, _: dict[str, str]) -> Any:
        members = "".join(
            f"<member><Target><Id>{one}</Id><Port>1</Port></Target>"
            f"<TargetHealth><State>{now}</State></TargetHealth></member>"
            for one, now in self.health.items()
        )
        return 200, {}, members.encode()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    for module in CLOCKED:
        clock = SimpleNamespace(monotonic=lambda: made.now)
        monkeypatch.setattr(f"localcloud.{module}.time", clock)
    yield made
    made.autoscaling.reset()


def hook(transition: str, result: str) -> dict[str, Any]:
    return {
        "LifecycleHookName": "hook",
        "LifecycleTransition": transition,
        "HeartbeatTimeout": 60,
        "DefaultResult": result,
    }


def test_a_hook_that_nobody_answers_lets_a_host_in_when_told_to(world: World) -> None:
    world.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook(LAUNCHING, "CONTINUE")])
    assert world.states() == {"i-1": "Pending:Wait"}
    world.pass_by(59)
    assert world.states() == {"i-1": "Pending:Wait"}
    world.pass_by(2)
    assert world.states() == {"i-1": "InService"}


def test_a_hook_that_nobody_answers_ends_a_host_otherwise(world: World) -> None:
    world.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook(LAUNCHING, "ABANDON")])
    world.pass_by(61)
    assert world.states() == {"i-2": "Pending:Wait"}
    assert world.hosts["i-1"]["State"]["Name"] == "terminated"


def test_a_heartbeat_starts_the_timeout_anew(world: World) -> None:
    world.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook(LAUNCHING, "ABANDON")])
    world.pass_by(50)
    [member] = world.group["Instances"]
    world.hooks.heartbeat(member, {"LifecycleHookName": "hook", "InstanceId": "i-1"})
    world.pass_by(50)
    assert world.states() == {"i-1": "Pending:Wait"}


def test_a_host_is_held_at_its_end_until_the_hook_times_out(world: World) -> None:
    world.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook(TERMINATING, "CONTINUE")])
    world.groups.resize(world.group, 0)
    world.pass_by()
    assert world.states() == {"i-1": "Terminating:Wait"}
    world.pass_by(61)
    assert world.states() == {}


@pytest.mark.parametrize(("check", "replaced"), [("ELB", True), ("EC2", False)])
def test_an_unhealthy_target_is_replaced_after_the_grace_period(
    world: World, check: str, *, replaced: bool
) -> None:
    world.create(
        DesiredCapacity=1,
        TargetGroupARNs=[ARN],
        HealthCheckType=check,
        HealthCheckGracePeriod=30,
    )
    world.health["i-1"] = "initial"
    world.pass_by(100)
    assert world.serving() == ["i-1"]
    world.group["Instances"][0]["_served"] = world.now
    world.health["i-1"] = "unhealthy"
    world.pass_by(29)
    assert world.serving() == ["i-1"]
    world.pass_by(2)
    assert world.serving() == (["i-2"] if replaced else ["i-1"])


def test_a_host_ends_only_when_its_connections_have_drained(world: World) -> None:
    world.create(DesiredCapacity=1, TargetGroupARNs=[ARN])
    world.groups.resize(world.group, 0)
    world.pass_by(1000)
    assert world.states() == {"i-1": "Terminating"}
    assert world.hosts["i-1"]["State"]["Name"] == "running"
    del world.health["i-1"]
    world.pass_by()
    assert world.states() == {}


def test_a_refused_launch_is_tried_again_more_and_more_seldom(world: World) -> None:
    world.refuses = True
    world.create(DesiredCapacity=1)
    assert world.activity()["StatusCode"] == "Failed"
    assert world.activity()["StatusMessage"].startswith("The image is gone.")
    for wait in (2.1, 4.1, 8.1):
        before = len(world.group["_activities"])
        world.pass_by(wait - 0.2)
        assert len(world.group["_activities"]) == before
        world.pass_by(0.2)
        assert len(world.group["_activities"]) == before + 1
    world.refuses = False
    world.pass_by(60)
    assert world.serving() == ["i-1"]


def test_the_oldest_template_goes_first_and_who_is_protected_stays(world: World) -> None:
    world.create(DesiredCapacity=1, VPCZoneIdentifier="subnet-a")
    world.groups.update(
        world.group, {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"}}
    )
    world.now += 1
    world.groups.resize(world.group, 3)
    world.pass_by()
    world.groups.resize(world.group, 2)
    world.pass_by()
    assert world.serving() == ["i-2", "i-3"]
    world.group["Instances"][0]["ProtectedFromScaleIn"] = True
    world.groups.resize(world.group, 0)
    world.pass_by()
    assert world.serving() == ["i-2"]


def test_a_group_in_trouble_is_no_trouble_for_another(world: World) -> None:
    broken = world.create(DesiredCapacity=1)
    del broken["Instances"][0]["InstanceId"]
    fields = {"LaunchTemplate": {"LaunchTemplateId": "lt-1"}, "VPCZoneIdentifier": "subnet-a"}
    other = world.groups.create("other", {**fields, "MinSize": 1, "MaxSize": 1})
    world.pass_by()
    assert len(in_service(other)) == 1


def test_a_suspended_process_does_not_run(world: World) -> None:
    world.create(DesiredCapacity=1)
    world.group["SuspendedProcesses"] = ["Launch"]
    world.hosts["i-1"]["State"] = {"Name": "terminated"}
    world.pass_by()
    assert world.states() == {}
    world.group["SuspendedProcesses"] = []
    world.pass_by()
    assert world.serving() == ["i-2"]


def refreshing(world: World, least: int, most: int, **more: Any) -> None:
    preferences = {
        "InstanceWarmup": 0,
        "MinHealthyPercentage": least,
        "MaxHealthyPercentage": most,
        **more,
    }
    world.refreshes.start({"AutoScalingGroupName": "group", "Preferences": preferences})


def refresh(world: World) -> Record:
    found = world.refreshes.describe({"AutoScalingGroupName": "group"})["InstanceRefreshes"]
    latest: Record = found[0]
    return latest


@pytest.mark.parametrize(
    ("least", "most", "fewest", "largest"),
    [(100, 150, 2, 3), (100, 200, 2, 4), (50, 100, 1, 2), (100, 100, 1, 2)],
)
def test_a_refresh_replaces_all_and_keeps_enough(
    world: World, least: int, most: int, fewest: int, largest: int
) -> None:
    world.create(DesiredCapacity=2, MaxSize=2)
    refreshing(world, least, most)
    serving, members = [], []
    for _ in range(30):
        for host in world.hosts.values():
            if host["State"]["Name"] == "shutting-down":
                host["State"] = {"Name": "terminated"}
        world.compare()
        serving.append(len(world.serving()))
        members.append(len(staying(world.group)))
    assert refresh(world)["Status"] == "Successful"
    assert refresh(world)["PercentageComplete"] == 100
    assert not {"i-1", "i-2"} & {*world.serving()}
    assert len(world.serving()) == 2
    assert (min(serving), max(members)) == (fewest, largest)


def test_a_refresh_waits_for_targets_that_are_not_healthy(world: World) -> None:
    world.create(DesiredCapacity=1, TargetGroupARNs=[ARN])
    world.health["i-2"] = "initial"
    refreshing(world, 100, 200)
    world.pass_by(1000)
    assert world.serving() == ["i-1", "i-2"]
    assert refresh(world)["Status"] == "InProgress"
    world.health["i-2"] = "healthy"
    world.pass_by()
    assert world.serving() == ["i-2"]
    del world.health["i-1"]
    world.pass_by()
    assert refresh(world)["Status"] == "Successful"


def test_a_refresh_can_leave_out_who_matches_and_can_be_cancelled(world: World) -> None:
    world.create(DesiredCapacity=1, TargetGroupARNs=[ARN])
    refreshing(world, 100, 200, SkipMatching=True)
    world.pass_by()
    assert (world.serving(), refresh(world)["Status"]) == (["i-1"], "Successful")
    world.health["i-2"] = "initial"
    refreshing(world, 100, 200)
    world.pass_by()
    with pytest.raises(ApiError, match="already in progress"):
        refreshing(world, 100, 200)
    world.refreshes.cancel({"AutoScalingGroupName": "group"})
    world.pass_by()
    assert refresh(world)["Status"] == "Cancelled"
    with pytest.raises(ApiError, match="No in progress"):
        world.refreshes.cancel({"AutoScalingGroupName": "group"})


def put_policy(world: World, **fields: Any) -> None:
    world.autoscaling._policies["group/policy"] = world.autoscaling._policy_record(
        "group", "policy", "arn:policy", fields
    )


def execute(world: World, **fields: Any) -> int:
    world.policies.execute({"AutoScalingGroupName": "group", "PolicyName": "policy", **fields})
    world.pass_by()
    return len(world.serving())


def alarm(world: World, value: float, operator: str = "GreaterThanThreshold") -> None:
    world.alarms["alarm"] = {
        "AlarmName": "alarm",
        "AlarmActions": ["arn:policy"],
        "ComparisonOperator": operator,
        "StateReasonData": json.dumps({"recentDatapoints": [10 * value, value]}),
        "StateValue": "ALARM",
        "Threshold": 50.0,
    }


@pytest.mark.parametrize(
    ("kind", "amount", "expected"),
    [
        ("ChangeInCapacity", 1, 3),
        ("ChangeInCapacity", 9, 4),
        ("ExactCapacity", 1, 1),
        ("PercentChangeInCapacity", 10, 3),
        ("PercentChangeInCapacity", -75, 1),
    ],
)
def test_a_simple_policy_is_executed_by_hand(
    world: World, kind: str, amount: int, expected: int
) -> None:
    world.create(DesiredCapacity=2, MinSize=1, MaxSize=4)
    put_policy(world, AdjustmentType=kind, ScalingAdjustment=amount)
    assert execute(world) == expected
    assert "a user request executed policy policy" in world.activity()["Cause"]


def test_a_simple_policy_honours_its_cooldown_when_asked_to(world: World) -> None:
    world.create(DesiredCapacity=1)
    put_policy(world, ScalingAdjustment=1, Cooldown=60)
    assert execute(world) == 2
    with pytest.raises(ApiError, match="cooldown"):
        execute(world, HonorCooldown="true")
    world.pass_by(61)
    assert execute(world, HonorCooldown="true") == 3


def test_a_step_policy_follows_its_alarm_by_the_size_of_the_breach(world: World) -> None:
    world.create(DesiredCapacity=1, MaxSize=4, DefaultInstanceWarmup=100)
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 2},
    ]
    put_policy(world, PolicyType="StepScaling", StepAdjustments=steps)
    alarm(world, 75)
    world.pass_by()
    assert len(world.serving()) == 3
    assert "a monitor alarm alarm in state ALARM triggered policy" in world.activity()["Cause"]
    alarm(world, 60)
    world.pass_by(99)
    assert len(world.serving()) == 3
    world.pass_by(2)
    assert len(world.serving()) == 4


def test_a_tracking_policy_sizes_the_group_to_its_target(world: World) -> None:
    world.create(DesiredCapacity=2, MinSize=1, MaxSize=5)
    put_policy(
        world,
        PolicyType="TargetTrackingScaling",
        EstimatedInstanceWarmup=60,
        TargetTrackingConfiguration={"TargetValue": 50},
    )
    alarm(world, 90)
    world.pass_by()
    assert len(world.serving()) == 4
    alarm(world, 10, "LessThanThreshold")
    world.pass_by(61)
    assert len(world.serving()) == 3


def test_the_load_of_the_hosts_is_published_each_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each host of two processors uses half a second of them a second."""
    monkeypatch.setattr("localcloud.engine.cpu_seconds", lambda _: world.now / 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    world.create(DesiredCapacity=2)
    for _ in range(3):
        world.pass_by(61)
    values = [metric[2] for metric in world.metrics]
    assert values == pytest.approx([25, 25], abs=1)
    assert world.metrics[0][4] == {"AutoScalingGroupName": "group"}
