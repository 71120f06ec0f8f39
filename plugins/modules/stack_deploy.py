"""Documentation of the action plugin `stack_deploy`."""

DOCUMENTATION = r"""
module: stack_deploy
short_description: Create or update a CloudFormation stack through a change set
description:
  - Validates the template, computes a change set, carries it out and says each step in plain
    words, taken from the C(Metadata.Description) of the template's resources.
  - Waits for an operation that an interrupted run left in progress. A stack that an earlier run
    left broken is mended when that loses nothing, else explained.
  - In check mode the change set is computed, shown with C(--diff), and deleted again.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  name:
    description: Name of the stack, which is the deployment's name.
    type: str
    required: true
  template:
    description: Path of the template on the control node.
    type: path
    required: true
  parameters:
    description: The template's parameters and their values.
    type: dict
    default: {}
  capabilities:
    description: What CloudFormation has to be allowed besides, such as C(CAPABILITY_IAM).
    type: list
    elements: str
    default: []
  allow_replacement:
    description: Whether the change may replace or remove an EC2 instance.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for CloudFormation.
    type: int
    default: 900
  command:
    description: The command a person types to run this again, for error messages.
    type: str
    default: ansible-playbook site.yml
  replace_command:
    description: The command that allows a replacement, for error messages.
    type: str
    default: ansible-playbook site.yml -e stack_replace_instance=true
  teardown_command:
    description: The command that removes the stack, for error messages.
    type: str
    default: ansible-playbook teardown.yml
"""

EXAMPLES = r"""
- name: Create or update the stack
  stack_deploy:
    name: saudacao
    template: cloudformation/stack.yaml
    parameters:
      SshIngressCidr: 203.0.113.7/32
"""

RETURN = r"""
changes:
  description: One line for each resource that changed, or would change.
  returned: always
  type: list
  elements: str
outputs:
  description: The stack's outputs.
  returned: always
  type: dict
status:
  description: The stack's status, empty when there is none.
  returned: always
  type: str
"""
