"""Run a playbook in check mode and return what it would change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.checked_run import DOCUMENTATION

# Options of this run that the other one has to have too, and the names of its arguments.
_REPEATED = {
    "inventory": "--inventory",
    "extra_vars": "--extra-vars",
    "vault_ids": "--vault-id",
    "vault_password_files": "--vault-password-file",
}
_SINGLE = {"subset": "--limit", "private_key_file": "--private-key", "remote_user": "--user"}


class ActionModule(ActionBase):
    """The controller side of `checked_run`, which is all there is."""

    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the playbook to its end and return the events, or its first error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
            done = subprocess.run(
                [*_command(), options["playbook"]],
                env=_environment(file.name),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            events = [json.loads(line) for line in file]
        if done.returncode != 0:
            return result | {"failed": True, "events": events, "msg": _reason(events, done)}
        return result | {"changed": False, "events": events}


def _command() -> list[str]:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--check", "--diff"]
    given = context.CLIARGS
    for name, option in _REPEATED.items():
        command += [word for value in given.get(name) or () for word in (option, value)]
    for name, option in _SINGLE.items():
        command += [option, given[name]] if given.get(name) else []
    return command


def _environment(path: str) -> dict[str, str]:
    own = {"ANSIBLE_CALLBACKS_ENABLED": "changes", "SAUDACAO_CHANGES": path}
    if constants.CONFIG_FILE:
        own["ANSIBLE_CONFIG"] = str(constants.CONFIG_FILE)
    return {**os.environ, **own}


def _reason(events: list[dict[str, Any]], done: subprocess.CompletedProcess[str]) -> str:
    for event in events:
        if event["event"] != "ok":
            said = event.get("stderr") or event.get("msg") or "it failed"
            return f"{event['host']}: {event['task']}: {str(said).strip()}"
    said = (done.stderr.strip() or done.stdout.strip())[-1000:]
    return said or f"ansible-playbook ended with {done.returncode} without a word"
