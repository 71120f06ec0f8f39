"""Write a file, or make a folder, on the control node."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.local_file import DOCUMENTATION


class ActionModule(ActionBase):
    """The controller side of `local_file`; it needs no connection."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write or make it, and say what differed."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        path, content, mode = Path(options["path"]), options["content"], int(options["mode"], 8)
        if self._connection.transport != "local":
            raise AnsibleActionFail(f"{path} can be written on the control node only")
        result: dict[str, Any] = {"path": str(path)}
        before = text_of(path) if self._task.diff and content is not None else ""
        try:
            if content is None:
                result["changed"] = make_folder(path, mode, check=self._task.check_mode)
            else:
                result["changed"] = write(path, content, mode, check=self._task.check_mode)
        except OSError as error:
            raise AnsibleActionFail(f"{path} could not be written: {error.strerror}") from error
        if before != content and self._task.diff and content is not None:
            headers = {"before_header": str(path), "after_header": str(path)}
            result["diff"] = [{**headers, "before": before, "after": content}]
        return result


def text_of(path: Path) -> str:
    """Return a file's text; nothing when there is none."""
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def write(path: Path, content: str, mode: int, *, check: bool) -> bool:
    """Have a file with a content and a mode; return whether something differed."""
    data = content.encode()
    if path.is_file() and path.read_bytes() == data:
        return set_mode(path, mode, check=check)
    if not check:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as beside:
            beside.write(data)
            os.fchmod(beside.fileno(), mode)
        Path(beside.name).replace(path)
    return True


def make_folder(path: Path, mode: int, *, check: bool) -> bool:
    """Have a folder with a mode; return whether something differed."""
    if path.is_dir():
        return set_mode(path, mode, check=check)
    for folder in [] if check else [*reversed(path.parents), path]:
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(mode)
    return True


def set_mode(path: Path, mode: int, *, check: bool) -> bool:
    """Set a mode; return whether it was another."""
    differs = path.stat().st_mode & 0o7777 != mode
    if differs and not check:
        path.chmod(mode)
    return differs
