"""What the action `grpc_switch` takes and returns; the work is in plugins/action/grpc_switch.py."""

from __future__ import annotations

DOCUMENTATION = """
module: grpc_switch
short_description: Runs grpc-switch on the host, without a module's cost
description:
  - Runs C(/usr/local/sbin/grpc-switch) over the host's connection. A module would be compiled on
    the host each time, which takes longer than the program itself.
  - Fails when the program refuses; C(stderr) says why.
  - Nothing is done in check mode, unless the task has C(check_mode=false).
options:
  argv:
    description: The verb and its arguments.
    type: list
    elements: str
    required: true
  src:
    description:
      - File on the control node that is brought to C(dest) first, whole or not at all, and held in
        memory meanwhile. Such a task would change something in check mode.
    type: path
  dest:
    description: Path of that file on the host, where it belongs to root alone.
    type: str
  if_installed:
    description: Answer with an empty C(stdout) where the program is not installed.
    type: bool
    default: false
"""

EXAMPLES = """
- name: Ask the host what it runs
  grpc_switch:
    argv: [status]
  check_mode: false

- name: Install a release
  grpc_switch:
    argv: [install, /opt/saudacao/incoming/1.0.0-5a002cd7e387.tar]
    src: releases/1.0.0-5a002cd7e387.tar
    dest: /opt/saudacao/incoming/1.0.0-5a002cd7e387.tar
"""

RETURN = """
changed:
  description: Whether the program has changed something, by its own answer.
  type: bool
  returned: always
cmd:
  description: The program and its arguments.
  type: list
  elements: str
  returned: always
rc:
  description: Its exit code.
  type: int
  returned: when it was run
stdout:
  description: Its answer, the last line in JSON.
  type: str
  returned: when it was run
stderr:
  description: Why it refused.
  type: str
  returned: when it was run
"""
