"""Documentation of the action plugin `stack_host_keys`."""

DOCUMENTATION = r"""
module: stack_host_keys
short_description: Keep known_hosts equal to what the instances' consoles show
description:
  - Reads the SSH host keys that cloud-init prints on an instance's console, through the AWS API,
    and writes them to a known_hosts file under the instance's id.
  - A key that is known and differs from the console's is an error. A console that shows no key
    (any more) does not change what is known.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  path:
    description: The known_hosts file; its folder exists.
    type: path
    required: true
  instances:
    description: Ids of the instances; lines of all others are removed.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for the keys of an instance that is not known yet.
    type: int
    default: 180
"""

EXAMPLES = r"""
- name: Read the SSH host keys from the console
  stack_host_keys:
    path: .deploy/local/known_hosts
    instances: [i-0123456789abcdef0]
"""

RETURN = r"""
added:
  description: Instances that became known.
  returned: always
  type: list
  elements: str
removed:
  description: Instances that were forgotten.
  returned: always
  type: list
  elements: str
"""
