"""Documentation of the action plugin `fleet_hosts`."""

DOCUMENTATION = r"""
module: fleet_hosts
short_description: Wait for the hosts of an Auto Scaling group
description:
  - Waits until the group has as many hosts as it wants and, with O(targets), until each of them
    takes calls by the load balancer's word. Shows how far each host is.
  - A host that says on its console that it could not configure itself ends the wait, and its last
    lines are shown.
  - In check mode it only looks. Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  group:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  targets:
    description: ARN of the balancer's target group; empty means that no host has to take calls.
    type: str
    default: ''
  bucket:
    description: Bucket in which hosts say that they failed; empty means that it is not asked.
    type: str
    default: ''
  awaited:
    description: The only host that has to take calls; empty means that each has to.
    type: str
    default: ''
  timeout:
    description: Seconds to wait; 0 means to look once, and to be content with what there is.
    type: int
    default: 900
"""

EXAMPLES = r"""
- name: Wait until every host takes calls
  fleet_hosts:
    group: "{{ stack.AutoScalingGroupName }}"
    targets: "{{ stack.TargetGroupArn }}"
"""

RETURN = r"""
instances:
  description: Ids of the group's hosts, without those that leave.
  returned: always
  type: list
  elements: str
group:
  description: Name of the group.
  returned: always
  type: str
wanted:
  description: How many hosts the group wants.
  returned: always
  type: int
hosts:
  description:
    - Each host's C(instance), its C(state) in the group, its C(health) in the balancer, and whether
      it is C(ready), which means that it takes calls. Of one that is not, what it C(said) last of
      its own configuration, and the last lines of its C(console). Of one that is, how many
      C(seconds) each part of its way from its launch took, when its console still says so.
  returned: always
  type: list
  elements: dict
failures:
  description:
    - The last hosts that could not configure themselves, since one could; they may be gone. Each
      one's C(instance), C(at) when, C(why), and the last lines of its C(console).
  returned: always
  type: list
  elements: dict
replaces:
  description: Whether the group replaces hosts that take no calls.
  returned: always
  type: bool
"""
