"""Move files into another folder on the control node."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.modules.local_move import DOCUMENTATION


class ActionModule(ActionBase):
    """The controller side of `local_move`; it needs no connection."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Move them."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        if self._connection.transport != "local":
            raise AnsibleActionFail("Files can be moved on the control node only")
        left = Path(options["left"]) if options["left"] else None
        try:
            if not self._task.check_mode:
                move([Path(file) for file in options["files"]], Path(options["path"]), left)
        except OSError as error:
            raise AnsibleActionFail(
                f"{error.filename} could not be moved to {options['path']}: {error.strerror}"
            ) from error
        return {"changed": True}


def move(files: list[Path], folder: Path, left: Path | None = None) -> None:
    """Move files, one right after the other, and remove a folder that they leave."""
    for file in files:
        file.replace(folder / file.name)
    if left is not None:
        shutil.rmtree(left)
