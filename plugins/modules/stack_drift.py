"""Documentation of the action plugin `stack_drift`."""

DOCUMENTATION = r"""
module: stack_drift
short_description: Compare a stack's security groups with its template
description:
  - Says which incoming rules were added or removed outside of CloudFormation. Changes nothing.
  - A stack that does not exist has no drift.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  name:
    description: Name of the stack.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Compare the firewall with the template
  stack_drift:
    name: saudacao
"""

RETURN = r"""
drift:
  description: For each rule that differs C(what) it is, and the command that undoes it as C(next).
  returned: always
  type: list
  elements: dict
"""
