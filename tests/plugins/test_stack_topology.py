"""One host never becomes a fleet, and a fleet gets a network that fits."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils import stack_topology
from plugins.module_utils.aws_cloud import StackError
from tests.plugins.stubs import answers, new_cloud, stack


def deployed(topology: str) -> Any:
    outputs = [{"OutputKey": "Topology", "OutputValue": topology}]
    return stack("CREATE_COMPLETE", Outputs=outputs)["Stacks"][0]


@pytest.mark.parametrize(("now", "wanted"), [("single", "fleet"), ("fleet", "single")])
def test_another_topology_is_refused_with_a_way(now: str, wanted: str) -> None:
    with pytest.raises(StackError, match=f"nothing was changed.* Set topology: {now} again"):
        stack_topology.check_unchanged("demo", stack_topology.of(deployed(now)), wanted)


@pytest.mark.parametrize("topology", ["single", "fleet"])
def test_a_new_deployment_and_the_same_topology_are_fine(topology: str) -> None:
    stack_topology.check_unchanged("demo", stack_topology.of(None), topology)
    stack_topology.check_unchanged("demo", stack_topology.of(deployed(topology)), topology)


def test_a_learner_lab_is_told_before_anything_is_created() -> None:
    with pytest.raises(StackError, match="topology: single"):
        stack_topology.check_identity("arn:aws:sts::1:assumed-role/voclabs/user123")


def zones(*names: str) -> tuple[str, Any]:
    return "describe_availability_zones", {"AvailabilityZones": [{"ZoneName": n} for n in names]}


def test_a_network_of_its_own_needs_two_zones() -> None:
    cloud = new_cloud()
    with answers(cloud.ec2, zones("a", "b")):
        assert set(stack_topology.network(cloud, ()).values()) == {""}
    with answers(cloud.ec2, zones("a")), pytest.raises(StackError, match=r"1 zone \(a\)"):
        stack_topology.network(cloud, ())


def subnets(*places: tuple[str, str]) -> tuple[str, Any]:
    found = [{"AvailabilityZone": zone, "VpcId": vpc} for zone, vpc in places]
    return "describe_subnets", {"Subnets": found}


def test_given_subnets_bring_their_vpc() -> None:
    cloud = new_cloud()
    with answers(cloud.ec2, subnets(("a", "vpc-1"), ("b", "vpc-1"))):
        found = stack_topology.network(cloud, ("subnet-1", "subnet-2"))
    assert found == {
        "VpcId": "vpc-1",
        "FirstSubnetId": "subnet-1",
        "SecondSubnetId": "subnet-2",
    }


@pytest.mark.parametrize(
    "places", [(("a", "vpc-1"), ("a", "vpc-1")), (("a", "vpc-1"), ("b", "vpc-2"))]
)
def test_subnets_of_one_zone_or_two_vpcs_are_refused(places: tuple[tuple[str, str], ...]) -> None:
    cloud = new_cloud()
    with (
        answers(cloud.ec2, subnets(*places)),
        pytest.raises(StackError, match="two zones of one VPC"),
    ):
        stack_topology.network(cloud, ("subnet-1", "subnet-2"))


def test_one_subnet_is_not_enough() -> None:
    with pytest.raises(StackError, match="takes two, or none"):
        stack_topology.network(new_cloud(), ("subnet-1",))
