"""Documentation of the action plugin `cloud_logs`."""

DOCUMENTATION = r"""
module: cloud_logs
short_description: Read a deployment's log from CloudWatch
description:
  - Returns the last lines of the log groups of servers and clients in the order of time, in the
    form in which C(grpc-switch logs) returns those of a host. Changes nothing.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  server:
    description: Log group of the servers.
    type: str
    required: true
  client:
    description: Log group of the clients.
    type: str
    required: true
  service:
    description: What the units' names begin with.
    type: str
    required: true
  lines:
    description: How many lines, the last ones.
    type: int
    required: true
  since:
    description: The earliest time, such as C(-10min).
    type: str
    default: ''
  until:
    description: The latest time, likewise.
    type: str
    default: ''
  request_id:
    description: Only lines of this call.
    type: str
    default: ''
  level:
    description: Only lines of this level and more severe ones.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Read the last lines
  cloud_logs:
    server: /saudacao/server
    client: /saudacao/client
    service: saudacao
    lines: 100
"""

RETURN = r"""
entries:
  description: Host, time, unit, level, message and fields of each line.
  returned: always
  type: list
  elements: dict
"""
