"""The filter `ssh_command`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.ssh_command import ssh_command

DOCUMENTATION = """
name: ssh_command
short_description: The command that reaches a host as Ansible does
description: For programs beside Ansible that need the host, with the same key and checks.
options:
  _input:
    description: The host's variables, as in C(hostvars[inventory_hostname]).
    type: dict
    required: true
"""

EXAMPLES = """
command: "{{ hostvars[inventory_hostname] | ssh_command + ['uptime'] }}"
"""

RETURN = """
_value:
  description: The command and its arguments.
  type: list
  elements: str
"""


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filter by its name."""
        return {"ssh_command": ssh_command}
