"""Auto Scaling groups of real hosts, as a client sees them."""

import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import engine
from localcloud.settings import Settings
from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import describe, state, until
from tests.localcloud.scaling import Group

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

NAME = "localcloud-group"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return boto3.client("autoscaling", **connection(cloud))


@pytest.fixture(scope="module")
def subnets(ec2: "EC2Client") -> list[str]:
    defaults: Any = [{"Name": "default-for-az", "Values": ["true"]}]
    found = ec2.describe_subnets(Filters=defaults)["Subnets"]
    return [one["SubnetId"] for one in sorted(found, key=lambda one: one["AvailabilityZone"])]


@pytest.fixture(scope="module")
def targets(cloud: Cloud, ec2: "EC2Client") -> Iterator[str]:
    elb: Any = boto3.client("elbv2", **connection(cloud))
    network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = elb.create_target_group(Name=NAME, Protocol="TCP", Port=22, VpcId=network)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    yield arn
    elb.delete_target_group(TargetGroupArn=arn)


@pytest.fixture(scope="module")
def template(ec2: "EC2Client", image: str) -> Iterator[dict[str, str]]:
    data: Any = {"ImageId": image, "InstanceType": "t3.micro"}
    ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData=data)
    yield {"LaunchTemplateName": NAME, "Version": "$Latest"}
    ec2.delete_launch_template(LaunchTemplateName=NAME)


@pytest.fixture(scope="module")
def group(
    cloud: Cloud,
    api: Any,
    ec2: "EC2Client",
    subnets: list[str],
    targets: str,
    template: dict[str, str],
) -> Iterator[Group]:
    """A group of two in two zones, deleted with its hosts at the end."""
    api.create_auto_scaling_group(
        AutoScalingGroupName=NAME,
        LaunchTemplate=template,
        MinSize=1,
        MaxSize=4,
        DesiredCapacity=2,
        VPCZoneIdentifier=",".join(subnets[:2]),
        TargetGroupARNs=[targets],
        Tags=[
            {"Key": "Role", "Value": "member", "PropagateAtLaunch": True},
            {"Key": "Owner", "Value": "group", "PropagateAtLaunch": False},
        ],
    )
    group = Group(NAME, cloud, api, ec2, targets)
    group.settle(2)
    yield group
    ended = [*group.members()]
    api.delete_auto_scaling_group(AutoScalingGroupName=NAME, ForceDelete=True)
    until(lambda: not api.describe_auto_scaling_groups()["AutoScalingGroups"], "it is gone")
    assert not {*ended} & {*engine.host_names(Settings(name=cloud.name))}


def test_a_group_has_a_real_host_in_each_zone(group: Group) -> None:
    hosts = [describe(group.ec2, member) for member in group.serving()]
    assert {host["Placement"]["AvailabilityZone"] for host in hosts} == {"us-east-1a", "us-east-1b"}
    for host in hosts:
        tags = {tag["Key"]: tag["Value"] for tag in host["Tags"]}
        assert tags["aws:autoscaling:groupName"] == NAME
        assert tags["Role"] == "member"
        assert "Owner" not in tags
        cause = group.causes(host["InstanceId"])["Launching"]
        assert "a user request created an AutoScalingGroup changing the desired capacity" in cause
    assert group.registered() == group.serving()


def test_what_ends_is_replaced(group: Group) -> None:
    """A terminated host, one that shut itself down, and one destroyed behind the cloud's back."""
    first, second = sorted(group.serving())
    group.ec2.terminate_instances(InstanceIds=[first])
    subprocess.run(engine.command("rm", "-f", "-t", "0", second), check=True)
    until(lambda: not {first, second} & {*group.members()}, "both are replaced")
    fresh = group.settle(2)
    assert group.registered() == fresh
    for gone in (first, second):
        assert "in response to an EC2 health check" in group.causes(gone)["Terminating"]
    for member in fresh:
        assert "an unhealthy instance needing to be replaced" in group.causes(member)["Launching"]


def test_a_host_that_is_called_unhealthy_is_replaced(group: Group) -> None:
    ill, well = sorted(group.serving())
    group.api.set_instance_health(InstanceId=ill, HealthStatus="Unhealthy")
    assert well in group.settle(2, without=ill)
    assert "in response to a user health-check" in group.causes(ill)["Terminating"]
    assert state(group.ec2, ill) == "terminated"


def test_a_group_grows_and_shrinks_evenly(group: Group) -> None:
    before = group.serving()
    [third] = group.resize(3) - before
    assert "increasing the capacity from 2 to 3" in group.causes(third)["Launching"]
    zone = describe(group.ec2, third)["Placement"]["AvailabilityZone"]
    after = group.resize(2)
    [gone] = (before | {third}) - after
    assert describe(group.ec2, gone)["Placement"]["AvailabilityZone"] == zone
    assert gone != third, "the oldest of the fuller zone goes"
    cause = group.causes(gone)["Terminating"]
    assert "a user request explicitly set group desired capacity" in cause
    assert f"instance {gone} was selected for termination" in cause
    assert group.registered() == after


def test_a_host_ended_by_name_shrinks_the_group(group: Group) -> None:
    chosen, other = sorted(group.serving())
    group.api.terminate_instance_in_auto_scaling_group(
        InstanceId=chosen, ShouldDecrementDesiredCapacity=True
    )
    assert group.settle(1) == {other}
    assert group.show()["DesiredCapacity"] == 1
    with pytest.raises(ClientError, match="violate group's min size constraint"):
        group.api.terminate_instance_in_auto_scaling_group(
            InstanceId=other, ShouldDecrementDesiredCapacity=True
        )
    group.resize(2)


def test_hosts_wait_for_their_hooks(group: Group) -> None:
    """One is let in, one is refused at its launch, and one is held at its end."""
    for number, transition in enumerate((LAUNCHING, TERMINATING)):
        group.api.put_lifecycle_hook(
            AutoScalingGroupName=NAME,
            LifecycleHookName=f"hook{number}",
            LifecycleTransition=transition,
            HeartbeatTimeout=300,
        )

    def act(instance_id: str, hook: str, result: str) -> None:
        group.api.complete_lifecycle_action(
            AutoScalingGroupName=NAME,
            LifecycleHookName=hook,
            InstanceId=instance_id,
            LifecycleActionResult=result,
        )

    def waiting(lifecycle: str) -> str:
        def found() -> list[str]:
            return [one for one, now in group.members().items() if now == lifecycle]

        until(lambda: bool(found()), f"somebody is {lifecycle}")
        return found()[0]

    before = group.serving()
    group.api.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=3)
    refused = waiting("Pending:Wait")
    assert state(group.ec2, refused) == "running"
    assert refused not in group.registered()
    act(refused, "hook0", "ABANDON")
    assert waiting("Terminating:Wait") == refused
    act(refused, "hook1", "CONTINUE")
    until(lambda: refused not in group.members(), "the refused is gone")
    accepted = waiting("Pending:Wait")
    group.api.record_lifecycle_action_heartbeat(
        AutoScalingGroupName=NAME, LifecycleHookName="hook0", InstanceId=accepted
    )
    act(accepted, "hook0", "CONTINUE")
    assert group.settle(3) == before | {accepted}
    with pytest.raises(ClientError, match="No active Lifecycle Action found"):
        act(accepted, "hook0", "CONTINUE")
    group.api.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=2)
    held = waiting("Terminating:Wait")
    assert held not in group.registered()
    assert state(group.ec2, held) == "running"
    act(held, "hook1", "CONTINUE")
    group.settle(2)
    for number in range(2):
        group.api.delete_lifecycle_hook(
            AutoScalingGroupName=NAME, LifecycleHookName=f"hook{number}"
        )


def test_a_refresh_launches_before_it_terminates(group: Group) -> None:
    old = group.serving()
    group.api.start_instance_refresh(
        AutoScalingGroupName=NAME,
        Preferences={
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 200,
            "InstanceWarmup": 0,
        },
    )
    fewest = [len(old)]

    def successful() -> bool:
        fewest.append([*group.members().values()].count("InService"))
        found = group.api.describe_instance_refreshes(AutoScalingGroupName=NAME)
        return str(found["InstanceRefreshes"][0]["Status"]) == "Successful"

    until(successful, "the refresh is over")
    assert not old & group.settle(2)
    assert min(fewest) == 2
    for member in old:
        assert "in response to an instance refresh" in group.causes(member)["Terminating"]


def test_the_processor_time_of_a_host_is_measured(group: Group) -> None:
    for member in group.serving():
        container = engine.podman("inspect", "--format", "{{.Id}}", member).strip()
        assert engine.cpu_seconds(container) > 0


def test_what_does_not_fit_is_refused(
    api: Any, group: Group, subnets: list[str], template: dict[str, str]
) -> None:
    def refused(call: str, **arguments: Any) -> str:
        with pytest.raises(ClientError) as caught:
            getattr(api, call)(**arguments)
        return str(caught.value)

    sizes: Any = {"MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": subnets[0]}
    create = {"AutoScalingGroupName": "other", "LaunchTemplate": template, **sizes}
    missing = {"LaunchTemplateName": "none"}
    assert "AlreadyExists" in refused(
        "create_auto_scaling_group", **{**create, "AutoScalingGroupName": NAME}
    )
    assert "does not exist" in refused(
        "create_auto_scaling_group", **{**create, "LaunchTemplate": missing}
    )
    assert "must be between the specified min size:0 and max size:1" in refused(
        "create_auto_scaling_group", **create, DesiredCapacity=2
    )
    assert "above max value 4" in refused(
        "set_desired_capacity", AutoScalingGroupName=NAME, DesiredCapacity=5
    )
    assert "not found" in refused(
        "update_auto_scaling_group", AutoScalingGroupName="none", MinSize=1
    )
    assert "ResourceInUse" in refused("delete_auto_scaling_group", AutoScalingGroupName=NAME)
    assert len(group.serving()) == 2
