"""Documentation of the action plugin `fleet_replace`."""

DOCUMENTATION = r"""
module: fleet_replace
short_description: Replace the hosts of an Auto Scaling group by new ones
description:
  - Starts an instance refresh that launches new hosts from the group's template, and ends old ones
    only when new ones take calls in their place. Waits until all are replaced and the old ones are
    gone, and shows how far that is.
  - When the companion O(prover) of this playbook has ended, which it does when a call fails, the
    refresh is cancelled and the action fails. Hosts that take calls by then stay, old and new ones.
    The same happens when this playbook had the fleet's lock, by M(fleet_lock), and has lost it.
  - In check mode it only says how many hosts would be replaced. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  group:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  targets:
    description: ARN of the balancer's target group.
    type: str
    required: true
  only_outdated:
    description: Whether hosts stay that were launched from the group's present template.
    type: bool
    default: false
  warmup:
    description: Seconds for which a new host has to take calls before an old one leaves.
    type: int
    default: 0
  prover:
    description: Name of the companion that calls the service meanwhile; empty for none.
    type: str
    default: ''
  directory:
    description: Folder of the companions.
    type: path
    default: ''
  timeout:
    description: Seconds after which the refresh is cancelled.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Replace every host
  fleet_replace:
    group: "{{ stack.AutoScalingGroupName }}"
    targets: "{{ stack.TargetGroupArn }}"
"""

RETURN = r"""
replaced:
  description: Ids of the hosts that are gone.
  returned: always
  type: list
  elements: str
"""
