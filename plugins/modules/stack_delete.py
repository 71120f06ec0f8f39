"""Documentation of the action plugin `stack_delete`."""

DOCUMENTATION = r"""
module: stack_delete
short_description: Remove a CloudFormation stack with a receipt
description:
  - Removes the stack and prints what became of each of its resources, then asks AWS what still
    carries the deployment's tag. Something that is left is an error with the command for it.
  - Uses AWS's own records only. A stack that does not exist is already removed.
  - An API that is not on this machine needs O(confirm).
  - In check mode the resources are listed and nothing changes. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  name:
    description: Name of the stack, which is the deployment's name.
    type: str
    required: true
  before:
    description: Stacks of the same deployment that are removed before it, where they are there.
    type: list
    elements: str
    default: []
  confirm:
    description: The deployment's name once more, which confirms the removal.
    type: str
    default: ''
  command:
    description: The command a person types to run this again, for error messages.
    type: str
    default: ansible-playbook teardown.yml
  timeout:
    description: Seconds to wait for CloudFormation.
    type: int
    default: 900
"""

EXAMPLES = r"""
- name: Remove the stack
  stack_delete:
    name: saudacao
    confirm: saudacao
"""

RETURN = r"""
receipt:
  description: Each resource with its id and what became of it.
  returned: always
  type: list
  elements: dict
"""
