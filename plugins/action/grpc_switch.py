"""Run grpc-switch on the host over the connection that there is, without a module."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.grpc_switch import DOCUMENTATION

PROGRAM = "/usr/local/sbin/grpc-switch"
# Any input keeps ssh from a terminal, which would mix what the program says with its answer.
NO_FILE = b"\n"


class ActionModule(ActionBase):
    """The controller side of `grpc_switch`, which is all there is."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Bring the file, if there is one, run the program, and return what it answers."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec=argument_spec(DOCUMENTATION), required_together=[("src", "dest")]
        )
        result["cmd"] = [PROGRAM, *options["argv"]]
        if self._task.check_mode:
            brings = options["src"] is not None
            return result | {"changed": brings, "skipped": not brings}
        content, command = NO_FILE, shlex.join(result["cmd"])
        if options["if_installed"]:
            command = f"test ! -e {PROGRAM} || {command}"
        if options["src"] is not None:
            content = Path(options["src"]).read_bytes()
            command = f"{receive(options['dest'], len(content))} && {command}"
        done = self._low_level_execute_command(command, in_data=content)
        result |= {key: done[key] for key in ("rc", "stdout", "stderr")}
        if done["rc"] != 0:
            said = done["stderr"].strip() or f"it ended with {done['rc']} without a word"
            return result | {"failed": True, "msg": said}
        try:
            return result | {"changed": _has_changed(done["stdout"])}
        except ValueError:
            return result | {"failed": True, "msg": f"{PROGRAM} answered {done['stdout']!r}"}


def receive(path: str, size: int) -> str:
    """Return the shell command that writes its input to a path if it has all of `size` bytes."""
    part = f"{shlex.quote(path)}.$$"
    write = f'(umask 077 && cat > {part}) && test "$(stat -c %s {part})" = {size}'
    return f"{{ {write} && mv {part} {shlex.quote(path)} || {{ rm -f {part}; exit 1; }}; }}"


def _has_changed(answer: str) -> bool:
    """Tell whether an answer says so; a question is answered without a word about it."""
    found = json.loads(answer.strip().rpartition("\n")[2] or "{}")
    return isinstance(found, dict) and bool(found.get("changed"))
