"""A change set: what CloudFormation would do, in plain words, before it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import StackError, code_of, message_of
from plugins.module_utils.stack_events import pauses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import (
        DescribeChangeSetOutputTypeDef,
        ResourceChangeTypeDef,
    )

NAME = "ansible"
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
# AWS calls these "conditional": they replace only hosts with an instance-store root or outside
# a VPC. Ours have an EBS root in a VPC, so they are at most stopped and started again.
_IN_PLACE = {"EbsOptimized", "InstanceType", "SecurityGroupIds", "Tags", "UserData"}


@dataclass(frozen=True)
class Change:
    """One resource's part in a change set."""

    action: str
    logical_id: str
    resource_type: str
    physical_id: str
    replaces: bool
    properties: tuple[str, ...]

    def said(self, words: Mapping[str, str]) -> str:
        """Return the change as one line for a person."""
        what = f"{words.get(self.logical_id, self.logical_id)} ({self.logical_id}"
        what += f", {self.physical_id})" if self.physical_id else f", {self.resource_type})"
        because = ", ".join(self.properties)
        if self.action == "Add":
            return f"+ create {what}"
        if self.action == "Remove":
            return f"- delete {what}"
        if self.replaces:
            return f"! REPLACE {what}: {because}"
        return f"~ update {what}: {because}"


@dataclass(frozen=True)
class ChangeSet:
    """A change set that AWS has computed; without changes it has already been deleted."""

    identifier: str
    stack_id: str
    changes: tuple[Change, ...]
    parameters: Mapping[str, str]


def _change(resource: ResourceChangeTypeDef) -> Change:
    details = resource.get("Details", [])
    causes = {detail.get("Target", {}).get("Name", "") for detail in details} | {
        str(detail.get("Target", {}).get("Attribute", ""))
        for detail in details
        if detail.get("Target", {}).get("Attribute") != "Properties"
    }
    conditional = {
        detail.get("Target", {}).get("Name", "")
        for detail in details
        if detail.get("Target", {}).get("RequiresRecreation") != "Never"
    }
    replacement = resource.get("Replacement", "False")
    return Change(
        action=resource.get("Action", "Modify"),
        logical_id=resource.get("LogicalResourceId", ""),
        resource_type=resource.get("ResourceType", ""),
        physical_id=resource.get("PhysicalResourceId", ""),
        replaces=replacement == "True"
        or (replacement == "Conditional" and not conditional <= _IN_PLACE),
        properties=tuple(sorted(filter(None, causes))),
    )


def create(
    cloudformation: CloudFormationClient,
    stack: str,
    template: str,
    parameters: Mapping[str, str],
    capabilities: Sequence[CapabilityType] = (),
    *,
    exists: bool,
    timeout: float = 120,
) -> ChangeSet:
    """Ask CloudFormation what would change; `timeout` is in seconds.

    A stack that does not exist gets an empty shell, which `discard` removes again.
    Raises StackError when AWS rejects the template or a parameter.
    """
    if exists:
        _forget(cloudformation, NAME, stack)
    try:
        created = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=NAME,
            ChangeSetType="UPDATE" if exists else "CREATE",
            TemplateBody=template,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Tags=[{"Key": "Deployment", "Value": stack}],
            Capabilities=list(capabilities),
        )
    except cloudformation.exceptions.ClientError as error:
        if code_of(error) == "ValidationError":
            raise StackError(
                f"The stack {stack} was not touched: AWS rejects its template or a parameter: "
                f"{message_of(error)}. Correct it in group_vars, then run the same command again"
            ) from error
        raise
    return _computed(cloudformation, created["Id"], created["StackId"], timeout, shell=not exists)


def _computed(
    cloudformation: CloudFormationClient,
    identifier: str,
    stack_id: str,
    timeout: float,
    *,
    shell: bool,
) -> ChangeSet:
    for _ in pauses(timeout):
        answer = cloudformation.describe_change_set(ChangeSetName=identifier, StackName=stack_id)
        if answer["Status"] in {"CREATE_COMPLETE", "FAILED"}:
            break
    reason = answer.get("StatusReason", "")
    parameters = {
        item.get("ParameterKey", ""): item.get("ParameterValue", "")
        for item in answer.get("Parameters", [])
    }
    if answer["Status"] == "CREATE_COMPLETE":
        changes = tuple(_all_changes(cloudformation, identifier, stack_id, answer))
        return ChangeSet(identifier, stack_id, changes, parameters)
    discard(cloudformation, ChangeSet(identifier, stack_id, (), parameters), shell=shell)
    if any(sentence in reason for sentence in _UNCHANGED):
        return ChangeSet(identifier, stack_id, (), parameters)
    raise StackError(
        f"The stack was not touched: AWS could not compute the change ({answer['Status']}): "
        f"{reason}. Correct that, then run the same command again"
    )


def _all_changes(
    cloudformation: CloudFormationClient,
    identifier: str,
    stack_id: str,
    first: DescribeChangeSetOutputTypeDef,
) -> list[Change]:
    found, page = list(first.get("Changes", [])), first
    while token := page.get("NextToken"):
        page = cloudformation.describe_change_set(
            ChangeSetName=identifier, StackName=stack_id, NextToken=token
        )
        found += page.get("Changes", [])
    return [_change(item["ResourceChange"]) for item in found if "ResourceChange" in item]


def discard(cloudformation: CloudFormationClient, change_set: ChangeSet, *, shell: bool) -> None:
    """Delete the change set, and with `shell` the empty stack that was made to hold it."""
    _forget(cloudformation, change_set.identifier, change_set.stack_id)
    if shell:
        cloudformation.delete_stack(StackName=change_set.stack_id)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=change_set.stack_id, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )


def _forget(cloudformation: CloudFormationClient, name: str, stack: str) -> None:
    try:
        cloudformation.delete_change_set(ChangeSetName=name, StackName=stack)
    except cloudformation.exceptions.ClientError as error:
        if not code_of(error).startswith("ChangeSetNotFound"):
            raise


def difference(change_set: ChangeSet, before: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Return the change in plain words: parameters old and new, then one line a resource."""
    lines = [
        f"  parameter {key}: {before[key]!r} -> {value!r}"
        for key, value in sorted(change_set.parameters.items())
        if key in before and before[key] != value
    ]
    lines += [f"  {change.said(words)}" for change in change_set.changes]
    return "\n".join(lines) + "\n"
