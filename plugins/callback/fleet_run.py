"""Ends a playbook's run in the fleet's journal, and gives the fleet's lock back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.errors import AnsibleActionFail
from ansible.plugins.callback import CallbackBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))
sys.path.append(str(Path(__file__).parents[2] / "roles/grpc_server/files"))

from plugins.action.companion import Companion
from plugins.module_utils.fleet_lock_holder import OUTCOME

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = """
name: fleet_run
type: notification
short_description: End a playbook's run in the fleet's journal
description:
  - At the end of a playbook that has taken a fleet's lock by the action C(fleet_lock), its outcome
    is written into the fleet's journal, and the lock is given back. A playbook that is killed gives
    it back too, and leaves no outcome.
"""

_SECONDS = 30


class CallbackModule(CallbackBase):
    """Remembers the lock, and what failed last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "fleet_run"

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self._folder: Path | None = None
        self._reason = ""

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Remember that the lock was taken."""
        if result.task.action == "fleet_lock" and result.result.get("folder"):
            self._folder = Path(result.result["folder"])

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Remember what failed."""
        said = str(result.result.get("stderr") or result.result.get("msg") or "").strip()
        if said and not ignore_errors:
            self._reason = said.splitlines()[0]

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Remember which host was lost."""
        if not result.task.ignore_unreachable:
            self._reason = f"{result.host.get_name()} could not be reached"

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write how it ended."""
        folder, self._folder = self._folder, None
        # A deployment that is gone has no journal any more.
        if folder is None or not folder.is_dir():
            return
        failed = bool(stats.failures or stats.dark)
        outcome = {
            "outcome": "failed" if failed else "done",
            "reason": self._reason if failed else None,
        }
        (folder / OUTCOME).write_text(json.dumps(outcome))
        companion = Companion(folder)
        try:
            companion.stop(_SECONDS)
        except AnsibleActionFail as error:
            self._display.warning(f"The fleet's lock was not given back: {error}")
            return
        if companion.answer()["exit_code"] != 0:
            self._display.warning(companion.answer()["stderr"].strip())
