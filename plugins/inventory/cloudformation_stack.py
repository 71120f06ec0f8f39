"""Inventory of one CloudFormation stack: its instances as hosts, its outputs as variables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible_collections.amazon.aws.plugins.plugin_utils.botocore import AnsibleBotocoreError
from ansible_collections.amazon.aws.plugins.plugin_utils.inventory import AWSInventoryBase
from botocore.exceptions import ClientError

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_cloud import AwsError, explain
from plugins.module_utils.fleet import STAYING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

DOCUMENTATION = r"""
name: cloudformation_stack
short_description: Instances and outputs of one CloudFormation stack
description:
  - Reads one stack by name and yields its running instances (C(AWS::EC2::Instance) resources and
    members of its Auto Scaling groups) as hosts named by their instance id. One that its group
    takes away is none any more.
  - The tag C(Role) gives the group, C(grpc-server) becomes C(grpc_servers). Instances that exist
    and do not run are in the group C(stopped) only, with a warning that says how to start them.
  - All hosts get the variables C(deployment), C(stack) (the outputs), C(monitoring_stack) (those
    of the stack of what watches it, where there is one) and C(aws) (options for AWS modules and
    actions).
  - A stack that does not exist yields C(localhost) and no other host.
author: The saudacao authors
extends_documentation_fragment:
  - amazon.aws.assume_role.plugins
  - amazon.aws.common.plugins
  - amazon.aws.region.plugins
options:
  plugin:
    description: Names this plugin.
    required: true
    choices: [cloudformation_stack]
  deployment:
    description: Name of the deployment, which is the stack's name.
    type: str
    default: saudacao
    env:
      - name: SAUDACAO_DEPLOYMENT
"""

EXAMPLES = r"""
# cloudformation_stack.yml: a stack in an account, with credentials from AWS's default chain
plugin: cloudformation_stack
region: us-east-1
---
# cloudformation_stack.yml: another deployment, in an emulator on this machine
plugin: cloudformation_stack
deployment: second
region: us-east-1
endpoint_url: http://127.0.0.1:4566
access_key: test
secret_key: test
"""

GROUPS = ("grpc_servers", "grpc_clients", "stopped")
_CONNECTION = ("region", "endpoint_url", "profile", "access_key", "secret_key", "session_token")


class InventoryModule(AWSInventoryBase):
    """Parses `cloudformation_stack.yml`."""

    NAME = "cloudformation_stack"
    INVENTORY_FILE_SUFFIXES = ("cloudformation_stack.yml", "cloudformation_stack.yaml")

    def parse(
        self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True
    ) -> None:
        """Fill the inventory; raise AnsibleParserError when AWS cannot be asked."""
        super().parse(inventory, loader, path, cache)
        name = str(self.get_option("deployment"))
        try:
            outputs, instances = self._read(name)
            watching = _outputs(_describe(self.client("cloudformation"), f"{name}-monitoring"))
        except (*AwsError, AnsibleBotocoreError) as error:
            raise AnsibleParserError(explain(error, self.get_option("endpoint_url"))) from None
        self._add_variables(name, outputs, self._aws(loader.load_from_file(path, cache="none")))
        self.inventory.set_variable("all", "monitoring_stack", watching)
        for instance in instances:
            self._add_instance(instance)

    def _read(self, name: str) -> tuple[dict[str, str], list[InstanceTypeDef]]:
        cloudformation: CloudFormationClient = self.client("cloudformation")
        stack = _describe(cloudformation, name)
        if stack is None:
            return {}, []
        outputs = _outputs(stack)
        instances, groups = _members(cloudformation, stack.get("StackId", name))
        ec2: EC2Client = self.client("ec2")
        found = _instances(ec2, "instance-id", instances)
        members = _instances(ec2, "tag:aws:autoscaling:groupName", groups)
        leaving = _leaving(self.client("autoscaling"), groups) if members else set()
        return outputs, found + [one for one in members if one["InstanceId"] not in leaving]

    def _add_variables(self, name: str, outputs: dict[str, str], aws: dict[str, str]) -> None:
        for group in GROUPS:
            self.inventory.add_group(group)
        self.inventory.set_variable("all", "deployment", name)
        self.inventory.set_variable("all", "stack", outputs)
        self.inventory.set_variable("all", "aws", aws)
        self.inventory.add_host("localhost")
        self.inventory.set_variable("localhost", "ansible_connection", "local")
        self.inventory.set_variable("localhost", "ansible_python_interpreter", sys.executable)

    def _add_instance(self, instance: InstanceTypeDef) -> None:
        host, state = instance["InstanceId"], instance["State"]["Name"]
        address = instance.get("PublicIpAddress", "")
        running = state == "running" and bool(address)
        if state in {"terminated", "shutting-down"}:
            return
        self.inventory.add_host(host, group=_group(instance) if running else "stopped")
        self.inventory.set_variable(host, "ec2_instance_id", host)
        self.inventory.set_variable(host, "ec2_instance_type", instance.get("InstanceType", ""))
        zone = instance["Placement"]["AvailabilityZone"]
        self.inventory.set_variable(host, "availability_zone", zone)
        self.inventory.set_variable(host, "ansible_host", address)
        if not running:
            self.warn(
                f"The host {host} is {state}{'' if address else ' and has no public address'}: "
                f"it is in the group 'stopped' only. To start it: "
                f"aws ec2 start-instances --region {self.region} --instance-ids {host}"
            )

    def _aws(self, configured: Mapping[str, Any]) -> dict[str, str]:
        # Only what the file names: a secret of the environment is never copied into a variable.
        chosen = {key: str(self.get_option(key) or "") for key in _CONNECTION if key in configured}
        if self.region:
            chosen["region"] = self.region
        return chosen


def _describe(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _outputs(stack: StackTypeDef | None) -> dict[str, str]:
    outputs = stack.get("Outputs", []) if stack else []
    return {item.get("OutputKey", ""): item.get("OutputValue", "") for item in outputs}


def _members(cloudformation: CloudFormationClient, stack_id: str) -> tuple[list[str], list[str]]:
    """Return the ids of the stack's own instances, and the names of its groups of instances."""
    found: dict[str, list[str]] = {
        "AWS::EC2::Instance": [],
        "AWS::AutoScaling::AutoScalingGroup": [],
    }
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id):
        for resource in page["StackResourceSummaries"]:
            identifier = resource.get("PhysicalResourceId", "")
            if identifier and resource["ResourceType"] in found:
                found[resource["ResourceType"]].append(identifier)
    instances, groups = found.values()
    return instances, groups


def _instances(ec2: EC2Client, key: str, values: list[str]) -> list[InstanceTypeDef]:
    if not values:
        return []
    wanted: list[FilterTypeDef] = [{"Name": key, "Values": values}]
    return [
        instance
        for page in ec2.get_paginator("describe_instances").paginate(Filters=wanted)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def _leaving(autoscaling: AutoScalingClient, groups: list[str]) -> set[str]:
    """Return the ids of the members that their group takes away."""
    shown = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=groups)
    return {
        member["InstanceId"]
        for group in shown["AutoScalingGroups"]
        for member in group.get("Instances", [])
        if member["LifecycleState"] not in STAYING
    }


def _group(instance: InstanceTypeDef) -> str:
    tags = {tag.get("Key"): tag.get("Value", "") for tag in instance.get("Tags", [])}
    return tags.get("Role", "grpc-server").replace("-", "_") + "s"
