"""Load balancers as CloudFormation makes, changes and removes them; no hosts."""

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.balancing import deployed

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

NAME = "localcloud-balancers"


def test_a_stack_makes_changes_and_removes_a_load_balancer(
    cloudformation: "CloudFormationClient", elb: Any, subnets: list[Any]
) -> None:
    with deployed(cloudformation, NAME, subnets) as stack:
        first = stack.outputs()
        assert first["Balancer"].endswith(first["FullName"])
        [tags] = elb.describe_tags(ResourceArns=[first["Balancer"]])["TagDescriptions"]
        assert {"Key": "aws:cloudformation:stack-name", "Value": NAME} in tags["Tags"]

        assert stack.update(Codes="200-299") == "UPDATE_COMPLETE", stack.reasons()
        assert stack.outputs() == first
        [group] = elb.describe_target_groups(TargetGroupArns=[first["Targets"]])["TargetGroups"]
        assert group["Matcher"] == {"HttpCode": "200-299"}
        attributes = elb.describe_target_group_attributes(TargetGroupArn=first["Targets"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "3"}
        assert delay in attributes["Attributes"]

        assert stack.update(Port="8081") == "UPDATE_COMPLETE", stack.reasons()
        second = stack.outputs()
        assert second["Address"] == first["Address"]
        [group] = elb.describe_target_groups(LoadBalancerArn=second["Balancer"])["TargetGroups"]
        assert (group["TargetGroupArn"], group["Port"]) == (second["Targets"], 8081)
        with pytest.raises(ClientError, match="TargetGroupNotFound"):
            elb.describe_target_groups(TargetGroupArns=[first["Targets"]])
    with pytest.raises(ClientError, match="LoadBalancerNotFound"):
        elb.describe_load_balancers(LoadBalancerArns=[first["Balancer"]])


def test_a_stack_says_why_a_load_balancer_does_not_fit(
    cloudformation: "CloudFormationClient", subnets: list[Any]
) -> None:
    with deployed(cloudformation, NAME, subnets) as stack:
        assert stack.update(Codes="600") == "UPDATE_ROLLBACK_COMPLETE"
        assert any("within '200-599' inclusive" in reason for reason in stack.reasons())
