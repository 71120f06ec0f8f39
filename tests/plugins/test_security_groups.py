"""A security group that differs from its template is found, rule by rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plugins.module_utils.security_groups import drift, wanted_rules
from tests.plugins.stubs import answers, new_cloud, stack

TEMPLATE = (Path(__file__).parents[2] / "cloudformation/stack.yaml").read_text()
PARAMETERS = {
    "SshIngressCidr": "203.0.113.7/32",
    "ServicePort": "50051",
    "ServiceIngressCidr": "0.0.0.0/0",
}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
       "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}  # fmt: skip
SERVICE = {"IpProtocol": "tcp", "FromPort": 50051, "ToPort": 50051,
           "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}  # fmt: skip


def found(*permissions: dict[str, Any]) -> list[dict[str, str]]:
    """Compare a group that has these rules with the project's own template."""
    cloud = new_cloud()
    parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in PARAMETERS.items()]
    resource = {
        "LogicalResourceId": "Firewall", "PhysicalResourceId": "sg-1",
        "ResourceType": "AWS::EC2::SecurityGroup", "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    group = {"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": list(permissions)}]}
    with (
        answers(
            cloud.cloudformation,
            ("get_template", {"TemplateBody": TEMPLATE}),
            ("describe_stacks", stack("CREATE_COMPLETE", Parameters=parameters)),
            ("list_stack_resources", {"StackResourceSummaries": [resource]}),
        ),
        answers(cloud.ec2, ("describe_security_groups", group)),
    ):
        return drift(cloud, "demo")


def test_the_templates_own_rules_are_no_drift() -> None:
    assert found(SSH, SERVICE) == []


def test_a_rule_more_and_a_rule_less_are_named_with_the_commands_that_undo_them() -> None:
    world = {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    more, less = found(SSH, world)
    assert more["what"] == "sg-1 also lets in everything from ::/0"
    assert more["next"] == (
        "aws ec2 revoke-security-group-ingress --region us-east-1 --endpoint-url"
        " http://127.0.0.1:9 --group-id sg-1 --ip-permissions"
        " 'IpProtocol=-1,Ipv6Ranges=[{CidrIpv6=::/0}]'"
    )
    assert less["what"] == "sg-1 does not let in tcp 50051 from 0.0.0.0/0"
    assert "authorize-security-group-ingress" in less["next"]
    assert "FromPort=50051,ToPort=50051,IpRanges=[{CidrIp=0.0.0.0/0}]" in less["next"]


def test_another_range_is_a_rule_more_and_a_rule_less() -> None:
    wide = {**SSH, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    assert [rule["what"] for rule in found(wide, SERVICE)] == [
        "sg-1 also lets in tcp 22 from 0.0.0.0/0",
        "sg-1 does not let in tcp 22 from 203.0.113.7/32",
    ]


def test_a_rule_from_another_group_or_an_address_of_the_stack_is_understood() -> None:
    template = (Path(__file__).parents[2] / "cloudformation/fleet.yaml").read_text()
    values = {"BalancerFirewall.GroupId": "sg-2", "ClientAddress.PublicIp": "198.51.100.4"}
    hosts = {rule[3] for rule in wanted_rules(template, "Firewall", PARAMETERS | values)}
    balancer = {rule[3] for rule in wanted_rules(template, "BalancerFirewall", PARAMETERS | values)}
    assert hosts == {"203.0.113.7/32", "sg-2"}
    assert balancer == {"0.0.0.0/0", "198.51.100.4/32"}
