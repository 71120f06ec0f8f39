"""What differs between a deployment of one host and a fleet, before anything is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cloudformation.type_defs import StackTypeDef

    from plugins.module_utils.aws_cloud import Cloud

_CALLED = {"single": "one host", "fleet": "a fleet"}
_LEAST_ZONES = 2


def of(stack: StackTypeDef | None) -> str:
    """Return the topology that a stack says it has, or an empty string."""
    outputs = stack.get("Outputs", []) if stack else []
    values = {item.get("OutputKey", ""): item.get("OutputValue", "") for item in outputs}
    return values.get("Topology", "")


def check_unchanged(name: str, current: str, wanted: str) -> None:
    """Raise StackError when a deployment would become another kind of deployment."""
    if current and current != wanted:
        raise StackError(
            f"The deployment {name} is {_CALLED.get(current, current)}, and topology: {wanted} "
            f"asks for {_CALLED.get(wanted, wanted)}: nothing was changed. One cannot become the "
            "other: "
            "its hosts, its address and its firewall would be removed under those who call it. "
            f"Set topology: {current} again. For {_CALLED.get(wanted, wanted)}, copy the inventory "
            "folder, set topology and another deployment there, deploy it, move the clients over, "
            "then remove this one with teardown.yml"
        )


def check_identity(arn: str) -> None:
    """Raise StackError for a caller who is known to be refused what a fleet needs."""
    if ":assumed-role/voclabs/" in arn:
        raise StackError(
            "A Learner Lab allows no IAM role, which a fleet needs: nothing was created. "
            "Set topology: single, as inventory/lab does"
        )


def network(cloud: Cloud, subnet_ids: Sequence[str]) -> dict[str, str]:
    """Return the template's parameters for a fleet's network, or raise StackError."""
    if not subnet_ids:
        _check_zones(cloud)
        return {"VpcId": "", "FirstSubnetId": "", "SecondSubnetId": ""}
    if len(subnet_ids) != _LEAST_ZONES:
        raise StackError(
            f"stack_subnet_ids names {len(subnet_ids)} subnets ({', '.join(subnet_ids)}): a fleet "
            "takes two, or none to have them created. Correct it in group_vars"
        )
    subnets = cloud.ec2.describe_subnets(SubnetIds=list(subnet_ids))["Subnets"]
    zones = {subnet["AvailabilityZone"] for subnet in subnets}
    vpcs = {subnet["VpcId"] for subnet in subnets}
    if len(zones) < _LEAST_ZONES or len(vpcs) > 1:
        raise StackError(
            f"The subnets {' and '.join(subnet_ids)} lie in {_listed(zones, 'zone')} and "
            f"{_listed(vpcs, 'VPC')}: a fleet needs two zones of one VPC. Look at them with: "
            f"aws ec2 describe-subnets --subnet-ids {' '.join(subnet_ids)}"
        )
    first, second = subnet_ids
    return {"VpcId": vpcs.pop(), "FirstSubnetId": first, "SecondSubnetId": second}


def _check_zones(cloud: Cloud) -> None:
    answer = cloud.ec2.describe_availability_zones(
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "zone-type", "Values": ["availability-zone"]},
        ]
    )
    zones = [zone["ZoneName"] for zone in answer["AvailabilityZones"]]
    if len(zones) < _LEAST_ZONES:
        raise StackError(
            f"{cloud.region} offers this account {_listed(zones, 'zone')}: a fleet needs two. "
            "Choose another region in the inventory's cloudformation_stack.yml"
        )


def _listed(names: Sequence[str] | set[str], what: str) -> str:
    plural = "" if len(names) == 1 else "s"
    return f"{len(names)} {what}{plural} ({', '.join(sorted(names))})"
