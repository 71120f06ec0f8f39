"""What the action `local_file` takes and returns; the work is in plugins/action/local_file.py."""

from __future__ import annotations

DOCUMENTATION = """
module: local_file
short_description: Writes a file, or makes a folder, on the control node
description:
  - As C(ansible.builtin.copy) and C(ansible.builtin.file) do on a host, in a tenth of their time,
    since nothing has to be sent anywhere. A file is replaced whole. Shows its difference with
    C(--diff), and changes nothing in check mode.
options:
  path:
    description: The file or folder. A folder is made with those above it that are missing.
    type: path
    required: true
  content:
    description: The file's text. Without it, C(path) is a folder.
    type: str
  mode:
    description: Mode of the file, or of each folder that is made and of the last one.
    type: str
    required: true
"""

EXAMPLES = """
- name: Create a folder for keys
  local_file:
    path: .deploy/local
    mode: "0700"

- name: Write a file into it
  local_file:
    path: .deploy/local/note
    content: text
    mode: "0600"
"""

RETURN = """
path:
  description: The path.
  type: str
  returned: always
"""
