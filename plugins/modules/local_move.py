"""What the action `local_move` takes; the work is in plugins/action/local_move.py."""

from __future__ import annotations

DOCUMENTATION = """
module: local_move
short_description: Moves files into another folder on the control node
description:
  - Each takes the place of the one of its name there, at once and with the next right behind it.
    Who reads the folder meanwhile finds whole files. No module of Ansible's renames files.
options:
  files:
    description: The files, in this order. All are on one file system.
    type: list
    elements: path
    required: true
  path:
    description: The folder into which they are moved.
    type: path
    required: true
  left:
    description: A folder that is removed afterwards, with all that is in it.
    type: path
"""

EXAMPLES = """
- name: Take a pair into use
  local_move:
    files: [certificates/next/server.key, certificates/next/server.crt]
    path: certificates
    left: certificates/next
"""

RETURN = ""
