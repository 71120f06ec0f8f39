"""Remove a stack with a receipt, and ask AWS afterwards what is left of the deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.module_utils import stack_template
from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.fleet_contents import FleetContents
from plugins.module_utils.stack_events import Watch, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudformation.type_defs import StackResourceTypeDef, StackTypeDef
    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from plugins.module_utils.aws_cloud import Cloud

_ALIVE = ["pending", "running", "stopping", "stopped"]
_ASKED = {"AWS::EC2::Instance", "AWS::EC2::EIP", "AWS::EC2::SecurityGroup", "AWS::EC2::KeyPair"}


@dataclass(frozen=True)
class Resource:
    """One resource of a stack: what it is in words, its id, and what became of it."""

    logical_id: str
    words: str
    identifier: str
    state: str

    def said(self) -> str:
        """Return the resource as one line of the receipt."""
        return f"  {self.state:<13} {self.words}  {self.identifier}"


def tagged(cloud: Cloud, deployment: str) -> dict[str, str]:
    """Ask EC2 and SSM what carries the deployment's tag: {id: command that removes it}."""
    ec2 = cloud.ec2
    only: list[FilterTypeDef] = [{"Name": "tag:Deployment", "Values": [deployment]}]
    alive: list[FilterTypeDef] = [*only, {"Name": "instance-state-name", "Values": _ALIVE}]
    found = {
        instance[
            "InstanceId"
        ]: f"aws ec2 terminate-instances --instance-ids {instance['InstanceId']}"
        for reservation in ec2.describe_instances(Filters=alive)["Reservations"]
        for instance in reservation["Instances"]
    }
    for address in ec2.describe_addresses(Filters=only)["Addresses"]:
        command = f"aws ec2 release-address --allocation-id {address['AllocationId']}"
        found[address["PublicIp"]] = command
    for group in ec2.describe_security_groups(Filters=only)["SecurityGroups"]:
        found[group["GroupId"]] = f"aws ec2 delete-security-group --group-id {group['GroupId']}"
    for key in ec2.describe_key_pairs(Filters=only)["KeyPairs"]:
        found[key["KeyName"]] = f"aws ec2 delete-key-pair --key-name {key['KeyName']}"
        found |= _private_key(cloud, key["KeyPairId"])
    return found


def _private_key(cloud: Cloud, key_pair_id: str) -> dict[str, str]:
    name = f"/ec2/keypair/{key_pair_id}"
    answer = cloud.ssm.get_parameters(Names=[name], WithDecryption=False)
    return {
        parameter["Name"]: f"aws ssm delete-parameter --name {parameter['Name']}"
        for parameter in answer["Parameters"]
    }


class Removal:
    """The removal of one deployment's stack."""

    def __init__(self, cloud: Cloud, deployment: str, say: Callable[[str], None]) -> None:
        """Look up the stack; nothing changes before `run`."""
        self._cloud = cloud
        self.name = deployment
        self._say = say
        self.stack = describe(cloud.cloudformation, deployment)
        self._words = self._template_words(self.stack)
        self._contents = FleetContents(cloud, deployment, _output(self.stack, "ReleaseBucket"))

    def resources(self) -> list[Resource]:
        """List what the stack holds; a resource that AWS no longer has is 'already gone'."""
        if self.stack is None:
            return []
        existing = tagged(self._cloud, self.name)
        answer = self._cloud.cloudformation.describe_stack_resources(
            StackName=self.stack["StackId"]
        )
        contents = [
            *(("a file in the bucket", key) for key in self._contents.files()),
            *(("a parameter", name) for name in self._contents.parameters()),
        ]
        return [
            *(Resource(one, words, one, "would go") for words, one in contents),
            *self._stack_resources(existing, answer["StackResources"]),
        ]

    def _stack_resources(
        self, existing: dict[str, str], resources: list[StackResourceTypeDef]
    ) -> list[Resource]:
        return [
            Resource(
                name := item["LogicalResourceId"],
                self._words.get(name, name),
                identifier := item.get("PhysicalResourceId", ""),
                "already gone"
                if item["ResourceStatus"] == "DELETE_COMPLETE"
                or (item["ResourceType"] in _ASKED and identifier not in existing)
                else "would go",
            )
            for item in resources
        ]

    def run(self, timeout: float) -> list[Resource]:
        """Delete the stack, wait at most `timeout` seconds, return the receipt.

        Raises StackError naming the first resource that would not go.
        """
        if self.stack is None:
            return []
        watch = self._watch(self.stack)
        watch.settle(timeout)
        held = self.resources()
        self._contents.remove()
        watch = self._watch(self.stack)
        self._cloud.cloudformation.delete_stack(StackName=self.stack["StackId"])
        if watch.wait(timeout) != "DELETE_COMPLETE":
            what, why = watch.first_failure()
            raise StackError(
                f"The stack {self.name} could not be removed: {what} failed first: {why}. "
                "Remove what holds it, then run the same command again"
            )
        return [
            Resource(item.logical_id, item.words, item.identifier, "removed")
            if item.state == "would go"
            else item
            for item in held
        ]

    def left(self) -> dict[str, str]:
        """Ask AWS what is left: {id: command that removes it}, empty when nothing is."""
        found = tagged(self._cloud, self.name) | self._contents.left()
        if describe(self._cloud.cloudformation, self.name):
            command = f"aws cloudformation delete-stack --stack-name {self.name}"
            found[f"stack {self.name}"] = command
        return found

    def _watch(self, stack: StackTypeDef) -> Watch:
        return Watch(self._cloud.cloudformation, stack["StackId"], self._words, self._say)

    def _template_words(self, stack: StackTypeDef | None) -> dict[str, str]:
        if stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            return {}
        answer = self._cloud.cloudformation.get_template(StackName=stack["StackId"])
        return stack_template.descriptions(answer["TemplateBody"])


def _output(stack: StackTypeDef | None, key: str) -> str:
    outputs = stack.get("Outputs", []) if stack else []
    return next((one.get("OutputValue", "") for one in outputs if one.get("OutputKey") == key), "")
