"""Documentation of the action plugin `checked_run`."""

DOCUMENTATION = r"""
module: checked_run
short_description: Run a playbook in check mode and return what it would change
description:
  - Starts C(ansible-playbook --check --diff) with the same inventory, limit and extra variables as
    this run, so that a plan is made of what would really be done. Nothing is changed.
  - Fails with the first error of that run.
  - Runs on the control node.
author: The saudacao authors
options:
  playbook:
    description: The playbook.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Ask what the deployment would change
  checked_run:
    playbook: site.yml
"""

RETURN = r"""
events:
  description:
    - Results of the run's tasks in their order, each with C(event), C(host), C(role), C(task),
      C(action), C(changed), C(item) and parts of what the task returned.
  returned: always
  type: list
  elements: dict
"""
