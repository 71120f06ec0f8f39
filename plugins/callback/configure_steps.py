"""Says each task as a step of a host that configures itself, on its console."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.playbook.task import Task

DOCUMENTATION = """
name: configure_steps
type: notification
short_description: Say each task as a step of a host that configures itself
description:
  - Prints each task's name after the word C(configure) and the time, as C(configure) in the role
    C(release_bucket) prints its own steps. Enabled in what a host of a fleet configures itself
    with, and nowhere else.
"""


class CallbackModule(CallbackBase):
    """Prints as tasks begin."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "configure_steps"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """Print the task's name."""
        del is_conditional
        at = datetime.now(UTC).isoformat(timespec="milliseconds")[11:23]
        sys.stdout.write(f"configure {at} {task.name}\n")
        sys.stdout.flush()
