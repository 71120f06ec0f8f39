"""Run a command on the control node beside the playbook, and end it with the playbook."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.companion import DOCUMENTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNER = Path(__file__).parents[1] / "module_utils/companion_runner.py"
LOOK_AGAIN_SECONDS = 0.05


class ActionModule(ActionBase):
    """The controller side of `companion`; it needs nothing of the host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start, await or stop the companion."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec=argument_spec(DOCUMENTATION),
            required_if=[("state", "started", ["command"])],
        )
        if self._task.check_mode:
            return {"changed": False, "skipped": True}
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        # Ansible runs this in a process of its own; what it is forked from is the playbook. That
        # of another run, which may be at work on the same host, is not ours to hear or to end.
        folder = Path(options["directory"]) / host / f"{options['name']}-{os.getppid()}"
        companion = Companion(folder)
        state, timeout = options["state"], options["timeout"]
        if state == "started":
            companion.stop(timeout)
            remove_ended(folder.parent)
            companion.start(options["command"], options["beat"], timeout, options["heard_on"])
        elif state == "stopped":
            companion.stop(timeout)
        else:
            companion.wait(timeout)
        return {"changed": False, **companion.answer()}


class Companion:
    """One command in a folder of its own; the lock of its file `running` is held while it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(
        self,
        command: list[str],
        beat: float,
        timeout: float,
        heard_on: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command, and wait until it has written to `heard_on` or ended.

        `environment` has variables that it gets besides those of the playbook.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder, *self._folder.parents[:2]):
            folder.chmod(0o700)
        for name in ("exit_code", "pid", "stdout", "stderr"):
            (self._folder / name).unlink(missing_ok=True)
        playbook = os.pidfd_open(os.getppid())
        with (self._folder / "running").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            arguments = [str(playbook), str(self._folder), str(beat), *command]
            subprocess.Popen(
                [sys.executable, "-I", str(RUNNER), *arguments],
                pass_fds=[playbook, lock.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd=Path.cwd(),
                env={**os.environ, **(environment or {})},
            )
        os.close(playbook)
        deadline = time.monotonic() + timeout
        while not self._read(heard_on) and self.runs():
            if time.monotonic() > deadline:
                self.stop(timeout)
                raise AnsibleActionFail(
                    f"{' '.join(command)} has written nothing in {timeout:g} s. Run it by hand to"
                    " see why"
                )
            time.sleep(LOOK_AGAIN_SECONDS)

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended by itself; return whether it has."""
        deadline = time.monotonic() + timeout
        while self.runs():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN_SECONDS)
        return True

    def stop(self, timeout: float) -> None:
        """End it, first with SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGUSR1):
            # The runner writes its id before it starts anything.
            if self.runs() and (pid := self._read("pid")):
                os.kill(int(pid), number)
            if self.wait(timeout):
                return
        raise AnsibleActionFail(f"the command in {self._folder} could not be ended")

    def answer(self) -> dict[str, Any]:
        """Return how it stands."""
        code = self._read("exit_code")
        return {
            "ended": not self.runs(),
            "exit_code": int(code) if code else None,
            "stdout": self._read("stdout"),
            "stderr": self._read("stderr"),
        }

    def runs(self) -> bool:
        """Tell whether it still runs."""
        try:
            with (self._folder / "running").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""


def remove_ended(folder: Path) -> None:
    """Remove what the companions of earlier runs have left, whose playbooks have ended."""
    for old in folder.glob("*"):
        playbook = Path("/proc") / old.name.rpartition("-")[2]
        if not playbook.exists() and not Companion(old).runs():
            shutil.rmtree(old, ignore_errors=True)
