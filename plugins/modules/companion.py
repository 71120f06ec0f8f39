"""What the action `companion` takes and returns; the work is in plugins/action/companion.py."""

from __future__ import annotations

DOCUMENTATION = """
module: companion
short_description: Runs a command on the control node beside the playbook, and ends it with it
description:
  - Starts a command that runs on while the playbook does, such as a client that calls the service
    during an upgrade, and later asks how it ended. However the playbook ends, also by a kill, the
    command is ended with it.
  - There is one for each host of the play and name. Nothing is done in check mode.
  - Each playbook has its own; it neither hears nor ends those of another one.
options:
  name:
    description: Name of the companion.
    type: str
    required: true
  directory:
    description: Folder on the control node for what companions write, made with mode 0700.
    type: path
    required: true
  state:
    description:
      - C(started) starts C(command), after ending one that still runs, and waits until it has
        written a line or ended.
      - C(ended) waits until it has ended by itself.
      - C(stopped) sends it SIGTERM and waits until it has ended. It is killed when C(timeout) is
        over.
    type: str
    choices: [started, ended, stopped]
    default: started
  command:
    description: The command and its arguments, for C(started). There is no shell.
    type: list
    elements: str
  heard_on:
    description: Where the command writes its first line, for C(started).
    type: str
    choices: [stdout, stderr]
    default: stdout
  beat:
    description: Seconds between lines that are written to the command's input. 0 for none.
    type: float
    default: 0
  timeout:
    description: Seconds to wait for the first line or for the end.
    type: float
    default: 30
"""

EXAMPLES = """
- name: Start calling
  companion:
    name: prover
    directory: .deploy/local/companions
    command: [saudacao-client, --json, --duration=600]

- name: Stop calling
  companion:
    name: prover
    directory: .deploy/local/companions
    state: stopped
  register: calls
"""

RETURN = """
ended:
  description: Whether the command has ended.
  type: bool
  returned: always
exit_code:
  description: Its exit code, negative for a signal. Null while it runs, or when never started.
  type: int
  returned: always
stdout:
  description: What it wrote so far.
  type: str
  returned: always
stderr:
  description: What it wrote so far to standard error.
  type: str
  returned: always
"""
