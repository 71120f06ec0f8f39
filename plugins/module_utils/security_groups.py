"""Whether a stack's security groups still let in who its template says, and nobody else."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from plugins.module_utils import stack_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef

    from plugins.module_utils.aws_cloud import Cloud

_GROUP = "AWS::EC2::SecurityGroup"
# What GetAtt gives where it is the same as the resource's id.
_ATTRIBUTES = {_GROUP: "GroupId", "AWS::EC2::EIP": "PublicIp"}
_SOURCES = ("CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId")
# Protocol, first and last port, and who: a range of addresses, a prefix list or another group.
Rule = tuple[str, str, str, str]


def drift(cloud: Cloud, stack: str) -> list[dict[str, str]]:
    """Return each rule that differs from the stack's: `what` in words, and the command `next`.

    CloudFormation's own drift detection takes a minute and a right that not every lab gives.
    """
    template = cloud.cloudformation.get_template(StackName=stack)["TemplateBody"]
    described = cloud.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    parameters = {
        item.get("ParameterKey", ""): item.get("ParameterValue", "")
        for item in described.get("Parameters", [])
    }
    found: list[dict[str, str]] = []
    resources = _resources(cloud, stack)
    values = {**parameters, **{f"{name}.{kind}": one for (name, kind), one in resources.items()}}
    groups = {name: one for (name, kind), one in resources.items() if kind == _ATTRIBUTES[_GROUP]}
    for name, group in groups.items():
        wanted = wanted_rules(template, name, values)
        answer = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        present = present_rules(answer.get("IpPermissions", []))
        for rule in sorted(present - wanted):
            what = f"{group} also lets in {said(rule)}"
            found.append({"what": what, "next": _command("revoke", cloud, group, rule)})
        for rule in sorted(wanted - present):
            what = f"{group} does not let in {said(rule)}"
            found.append({"what": what, "next": _command("authorize", cloud, group, rule)})
    return found


def _command(verb: str, cloud: Cloud, group: str, rule: Rule) -> str:
    """Return what a person types to take one rule away or to give it back."""
    protocol, first, last, who = rule
    if who.startswith("pl-"):
        source = f"PrefixListIds=[{{PrefixListId={who}}}]"
    elif who.startswith("sg-"):
        source = f"UserIdGroupPairs=[{{GroupId={who}}}]"
    elif ":" in who:
        source = f"Ipv6Ranges=[{{CidrIpv6={who}}}]"
    else:
        source = f"IpRanges=[{{CidrIp={who}}}]"
    ports = f",FromPort={first},ToPort={last}" if first else ""
    words = ["aws", "ec2", f"{verb}-security-group-ingress", "--region", cloud.region]
    words += ["--endpoint-url", cloud.endpoint] if cloud.endpoint else []
    words += ["--group-id", group, "--ip-permissions", f"IpProtocol={protocol}{ports},{source}"]
    return shlex.join(words)


def _resources(cloud: Cloud, stack: str) -> dict[tuple[str, str], str]:
    pages = cloud.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        (item["LogicalResourceId"], _ATTRIBUTES[item["ResourceType"]]): item["PhysicalResourceId"]
        for page in pages
        for item in page["StackResourceSummaries"]
        if item["ResourceType"] in _ATTRIBUTES and "PhysicalResourceId" in item
    }


def wanted_rules(
    template: str | Mapping[str, Any], name: str, values: Mapping[str, str]
) -> set[Rule]:
    """Return the incoming rules that the template gives a group.

    `values` are the parameters, and attributes such as `Firewall.GroupId`.
    """
    parsed = stack_template.load(template) if isinstance(template, str) else template
    rules = parsed["Resources"][name]["Properties"].get("SecurityGroupIngress", [])
    return {_wanted(rule, values) for rule in rules}


def present_rules(permissions: Iterable[IpPermissionOutputTypeDef]) -> set[Rule]:
    """Return the incoming rules that a group has."""
    found: set[Rule] = set()
    for permission in permissions:
        who = [item.get("CidrIp", "") for item in permission.get("IpRanges", [])]
        who += [item.get("CidrIpv6", "") for item in permission.get("Ipv6Ranges", [])]
        who += [item.get("PrefixListId", "") for item in permission.get("PrefixListIds", [])]
        who += [item.get("GroupId", "") for item in permission.get("UserIdGroupPairs", [])]
        ports = str(permission.get("FromPort", "")), str(permission.get("ToPort", ""))
        found |= {(permission.get("IpProtocol", ""), *ports, one) for one in who}
    return found


def said(rule: Rule) -> str:
    """Return a rule in words."""
    protocol, first, last, who = rule
    if protocol == "-1":
        return f"everything from {who}"
    return f"{protocol} {first if first == last else f'{first}-{last}'} from {who}"


def _wanted(rule: Mapping[str, Any], values: Mapping[str, str]) -> Rule:
    def value(key: str) -> str:
        given = rule.get(key, "")
        if not isinstance(given, dict):
            return str(given)
        [(function, named)] = given.items()
        if function == "Sub":
            return re.sub(r"\$\{(.+?)\}", lambda found: values.get(found[1], found[0]), named)
        return values.get(named, f"!{function} {named}")

    who = next((value(key) for key in _SOURCES if key in rule), "")
    return value("IpProtocol"), value("FromPort"), value("ToPort"), who
