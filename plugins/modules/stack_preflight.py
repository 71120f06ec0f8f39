"""Documentation of the action plugin `stack_preflight`."""

DOCUMENTATION = r"""
module: stack_preflight
short_description: Check that hosts can be launched, before anything is created
description:
  - Asks AWS who the caller is, whether the key pair and a network exist, and (only when a host
    would be launched) whether the caller may launch it and how many hosts already run.
  - Resolves the machine image. A stack that exists keeps the image that it has.
  - Refuses to make a fleet of one host, or one host of a fleet.
  - Only reads, so it does the same in check mode. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  name:
    description: Name of the stack, which is the deployment's name.
    type: str
    required: true
  architecture:
    description: Processor architecture of the host.
    type: str
    choices: [x86_64, arm64]
    default: x86_64
  instance_type:
    description: EC2 instance type of the host.
    type: str
    required: true
  key_name:
    description: Existing EC2 key pair; empty when the stack makes its own.
    type: str
    default: ''
  topology:
    description: One host (C(single)), or several behind a load balancer (C(fleet)).
    type: str
    choices: [single, fleet]
    default: single
  hosts:
    description: Number of hosts that a first run launches.
    type: int
    default: 1
  subnet_id:
    description: Subnet of the host; empty means one of the default VPC. For C(single).
    type: str
    default: ''
  subnet_ids:
    description: Two subnets in two zones; empty means that a network is created. For C(fleet).
    type: list
    elements: str
    default: []
  ssh_ingress_cidr:
    description: IPv4 range that may reach port 22.
    type: str
    default: ''
  allow_ssh_from_anywhere:
    description: Whether O(ssh_ingress_cidr) may be the whole internet.
    type: bool
    default: false
  image_id:
    description: Machine image for a new host; empty means the newest Amazon Linux 2023.
    type: str
    default: ''
  replace_instance:
    description: Whether a new image is resolved although the stack has a host.
    type: bool
    default: false
  instance_limit:
    description: Number of instances that may run in the account and region; 0 means no check.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Check that a host can be launched
  stack_preflight:
    name: saudacao
    instance_type: t3.micro
    ssh_ingress_cidr: 203.0.113.7/32
"""

RETURN = r"""
account:
  description: Number of the AWS account.
  returned: always
  type: str
identity:
  description: ARN of the caller.
  returned: always
  type: str
parameters:
  description: Template parameters that only AWS could answer (ImageId, VpcId, and the subnets).
  returned: always
  type: dict
"""
