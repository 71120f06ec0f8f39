"""Take the lock of a fleet, and hold it until the playbook ends."""

from __future__ import annotations

import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))
sys.path.append(str(Path(__file__).parents[2] / "roles/grpc_server/files"))

from grpc_switch import journal

from plugins.action.companion import Companion, remove_ended
from plugins.action.run_journal import operator
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud, StackError
from plugins.module_utils.fleet_lock import FleetLock
from plugins.module_utils.fleet_lock_holder import AWS, OUTCOME
from plugins.modules.fleet_lock import DOCUMENTATION

HOLDER = Path(__file__).parents[1] / "module_utils/fleet_lock_holder.py"
_START_SECONDS = 30


class ActionModule(AwsAction):
    """The controller side of `fleet_lock`; it needs nothing of the host."""

    documentation = DOCUMENTATION
    _requires_connection = False

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Take the lock, look whether it is still held, or ask who holds it."""
        lock = FleetLock(cloud.s3, options["bucket"])
        folder = lock_folder(Path(options["directory"] or ""))
        held = Companion(folder)
        if self.is_check or options["state"] == "asked":
            return {"changed": False, **asked(lock)}
        if options["state"] == "required":
            if not (folder / "run").exists():
                raise StackError(
                    "This run does not hold the fleet's lock, which localhost takes: --limit has"
                    " left that out. Nothing was changed. Add it, as in: --limit HOST,localhost"
                )
            lock.require((folder / "run").read_text())
            return {"changed": False}
        run = (folder / "run").read_text() if held.runs() else _new_id()
        lock.begin(run, {**options["entry"], **operator()}, options["seconds"])
        if not held.runs():
            self._hold(folder, run, options)
        return {"changed": False, "id": run, "folder": str(folder)}

    def _hold(self, folder: Path, run: str, options: dict[str, Any]) -> None:
        remove_ended(folder.parent)
        aws = options["aws"] or self._templar.template(self.variables.get("aws", {}))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "run").write_text(run)
        (folder / OUTCOME).unlink(missing_ok=True)
        Companion(folder).start(
            [sys.executable, "-I", str(HOLDER), options["bucket"], run, str(folder)],
            options["seconds"] / 4,
            _START_SECONDS,
            "stdout",
            {AWS: json.dumps(aws)},
        )


def asked(lock: FleetLock) -> dict[str, Any]:
    """Say who holds a lock, which runs there were, and which of them were interrupted."""
    lease, runs = lock.holder(), lock.runs()
    return {"lease": lease, "runs": runs, "interrupted": journal.interrupted(runs, lease)}


def lock_folder(directory: Path) -> Path:
    """Return the folder of what holds the lock for the playbook that this was forked from."""
    return directory / "fleet" / f"lock-{os.getppid()}"


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
