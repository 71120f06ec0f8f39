"""The command that reaches a host as Ansible does: its key, its user, its verified host key."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any


def ssh_command(variables: dict[str, Any]) -> list[str]:
    """Return the ssh command for a host's variables; what is to be run there follows it.

    It asks nothing, shares no connection, and ends when the host has not answered for 30 s. On a
    host that configures itself it is a shell, which reads words as the one behind ssh does.
    """
    if variables.get("ansible_connection") == "local":
        return ["sh", "-c", 'eval "$*"', "sh"]
    key = variables.get("ansible_ssh_private_key_file")
    user = variables.get("ansible_user")
    own = ["-o", "BatchMode=yes", "-o", "ControlPath=none", "-o", "ConnectTimeout=10"]
    alive = ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
    return [
        "ssh",
        *own,
        *alive,
        *shlex.split(variables.get("ansible_ssh_common_args") or ""),
        *(["-i", str(Path(key).expanduser())] if key else []),
        *(["-l", user] if user else []),
        *(["-p", str(variables["ansible_port"])] if variables.get("ansible_port") else []),
        variables.get("ansible_host") or variables["inventory_hostname"],
    ]
