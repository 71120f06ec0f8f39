"""Ansible's usual output, except in plays that only answer a question: they print the answer."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from ansible.plugins.callback.default import CallbackModule as Default

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook.play import Play

DOCUMENTATION = """
name: answer
type: stdout
short_description: Ansible's default output, or an answer alone
description:
  - The same as C(ansible.builtin.default), except in plays with the variable C(answer_only). Those
    print what the action C(answer) says and what went wrong, and nothing else. C(-v) shows all.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
"""


class CallbackModule(Default):
    """Passes on what the default callback prints, unless the play only answers."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "answer"

    _silent = (
        "v2_runner_on_ok",
        "v2_runner_on_skipped",
        "v2_runner_item_on_ok",
        "v2_runner_item_on_failed",
        "v2_runner_item_on_skipped",
        "v2_playbook_on_task_start",
        "v2_playbook_on_handler_task_start",
        "v2_playbook_on_no_hosts_matched",
        "v2_playbook_on_no_hosts_remaining",
        "v2_playbook_on_include",
        "v2_playbook_on_stats",
        "v2_on_file_diff",
    )

    def __getattribute__(self, name: str) -> Any:
        """Answer with silence where the play asks for it."""
        attribute = super().__getattribute__(name)
        if name in CallbackModule._silent and self.__dict__.get("answers"):
            return _say_nothing
        return attribute

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Remember whether the play only answers, and make its tasks cheaper.

        Each runs in a fork of this process, whose collector would look through all that is here.
        """
        gc.freeze()
        self.answers = bool(play.get_vars().get("answer_only")) and not self._display.verbosity
        if not self.answers:
            super().v2_playbook_on_play_start(play)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Say what failed in one sentence, on standard error."""
        if not self.answers:
            super().v2_runner_on_failed(result, ignore_errors)
        elif not ignore_errors:
            self._complain(result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Say which host could not be reached, unless the play counts with that."""
        if not self.answers:
            super().v2_runner_on_unreachable(result)
        elif not result.task.ignore_unreachable:
            self._complain(result)

    def _complain(self, result: CallbackTaskResult) -> None:
        values = result.result
        reason = values.get("stderr") or values.get("msg") or "it failed"
        host = result.host.get_name()
        where = "" if host == "localhost" else f"{host}: "
        self._display.display(f"{where}{reason}", stderr=True)


def _say_nothing(*_arguments: object, **_options: object) -> None:
    """Take any event and print nothing."""
