"""Writes down what each task of a run changed, or would change, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = """
name: changes
type: notification
short_description: Write down what each task changed, or would change
description:
  - One JSON object a line for each result of a task that changed something, failed, could not reach
    its host, or says what a host runs. A loop's items are results of their own.
  - Values of tasks with C(no_log) are not written.
options:
  path:
    description: File to which the lines are appended.
    type: path
    required: true
    env:
      - name: SAUDACAO_CHANGES
"""

_KEPT = ("msg", "changes", "diff", "cmd", "stdout", "stderr", "ansible_facts", "lease")


class CallbackModule(CallbackBase):
    """Appends to the file as results come in."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "changes"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Write a result; a loop's were written item by item."""
        if "results" not in result.result:
            self._write("ok", result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """Write an item's result."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Write a failure."""
        if not ignore_errors:
            self._write("failed", result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Write that a host could not be reached."""
        self._write("unreachable", result)

    def _write(self, event: str, result: CallbackTaskResult) -> None:
        task, values = result.task, result.result
        role = getattr(task, "_role", None)
        line: dict[str, Any] = {
            "event": event,
            "host": result.host.get_name(),
            "role": role.get_name() if role else "",
            "task": task.name,
            "action": task.action.rpartition(".")[2],
            "changed": bool(values.get("changed")),
            "item": self._get_item_label(values) if "ansible_loop_var" in values else None,
            **{key: values[key] for key in _KEPT if key in values},
        }
        with Path(self.get_option("path")).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
