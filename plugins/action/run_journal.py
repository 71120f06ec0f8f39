"""Write what a run intends, or how it ended, into the control node's journal."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.run_journal import DOCUMENTATION

ROOT = Path(__file__).parents[2]


class ActionModule(ActionBase):
    """The controller side of `run_journal`; it needs nothing of the host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Complete the entry and append it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        run = options["id"] or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        entry = options["entry"] if options["id"] else {**options["entry"], **operator()}
        line = line_of("end" if options["id"] else "begin", run, entry)
        written = not self._task.check_mode
        if written:
            append(Path(options["path"]), line)
        path = options["path"] if written else None
        return {"changed": False, "id": run, "entry": entry, "path": path}


def operator() -> dict[str, str | None]:
    """Say who runs this, on which machine, and from which commit (None outside of git)."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        commit = result.stdout.strip() or None
    except OSError:
        commit = None
    return {"by": getpass.getuser(), "from": socket.gethostname(), "commit": commit}


def line_of(event: str, run: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the journal's line for an event of a run."""
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"id": run, "event": event, "at": at, **entry}


def append(path: Path, line: dict[str, Any]) -> None:
    """Append one line in one write, so that two runs never mix theirs, and sync it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line, ensure_ascii=False).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AnsibleActionFail(f"the journal {path} could not be written: {error}") from error
