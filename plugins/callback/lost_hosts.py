"""Says what is known of a host that could not be reached, and ends its run in the journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import context
from ansible.plugins.callback import CallbackBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.action.run_journal import append, line_of

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = """
name: lost_hosts
type: notification
short_description: Say what to do about a host that could not be reached
description:
  - Ansible leaves out a host that cannot be reached, and runs no rescue for it. At the end of the
    playbook this says what that means, and what to type. The run that C(run_journal) had begun for
    the host gets the outcome C(unreachable) in the control node's journal.
"""

LOST = (
    "{host} was lost during the {action} of {release}. The host ends that by itself: a release that"
    " was not confirmed is undone in time, and its journal says so. When SSH answers again, the"
    " same command goes on from there. What runs: ansible-playbook{inventory} playbooks/status.yml"
)
NOT_REACHED = (
    "{host} could not be reached, and what it runs stays as it is. Whether it is up, and from where"
    " SSH is let in: ansible-playbook{inventory} playbooks/status.yml. A stopped instance is"
    " started by: ansible-playbook{inventory} site.yml"
)


class CallbackModule(CallbackBase):
    """Remembers which runs were begun, and which hosts were lost."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lost_hosts"

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self._open: dict[str, dict[str, Any]] = {}
        self._lost: dict[str, str] = {}

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Remember a run that begins, and forget one that ends."""
        values = result.result
        if result.task.action != "run_journal" or not values.get("path"):
            return
        if "outcome" in values["entry"]:
            self._open.pop(values["id"], None)
        else:
            self._open[values["id"]] = {**values["entry"], "path": values["path"]}

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Remember the host, unless the play counts with that."""
        if not result.task.ignore_unreachable:
            reason = str(result.result.get("msg", "")).strip()
            self._lost.setdefault(result.host.get_name(), reason)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Say it, and note it."""
        del stats
        named = context.CLIARGS.get("inventory") or []
        inventory = "".join(f" -i {os.path.relpath(path)}" for path in named)
        for host, reason in self._lost.items():
            runs = {id_: run for id_, run in self._open.items() if run.get("host") == host}
            for id_, run in runs.items():
                outcome = {"outcome": "unreachable", "reason": reason}
                append(Path(run["path"]), line_of("end", id_, outcome))
                self._say(LOST, host=host, inventory=inventory, **_named(run))
            if not runs:
                self._say(NOT_REACHED, host=host, inventory=inventory)

    def _say(self, message: str, **values: str) -> None:
        self._display.error(message.format(**values), wrap_text=False)


def _named(run: dict[str, Any]) -> dict[str, str]:
    return {"action": str(run.get("action")), "release": str(run.get("release"))}
