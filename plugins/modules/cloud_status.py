"""Documentation of the action plugin `cloud_status`."""

DOCUMENTATION = r"""
module: cloud_status
short_description: Ask CloudWatch how a deployment fares
description:
  - Returns the state of each of the deployment's alarms, and the calls of each server in the last
    minute, in the form in which C(grpc-switch report) returns them. Changes nothing.
  - Runs on the control node.
author: The saudacao authors
extends_documentation_fragment: aws
options:
  alarms:
    description: The alarms' names.
    type: list
    elements: str
    required: true
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
  hosts:
    description: Instance ids of the servers.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Ask for alarms and calls
  cloud_status:
    alarms: [saudacao-silent]
    server: /saudacao/server
    client: /saudacao/client
    service: saudacao
    hosts: [i-0123456789abcdef0]
"""

RETURN = r"""
alarms:
  description: C(name), C(state), C(since), C(reason) and C(description) of each alarm.
  returned: always
  type: list
  elements: dict
calls:
  description: By host, its calls of the last minute.
  returned: always
  type: dict
"""
