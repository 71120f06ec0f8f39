"""Pack what a host of a fleet needs to configure itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.host_bundle import Bundle
from plugins.modules.host_bundle import DOCUMENTATION


class ActionModule(ActionBase):
    """The controller side of `host_bundle`; it needs nothing of the host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Build the bundle unless it is there already."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        directory = Path(options.pop("directory"))
        options["roles"] = tuple(map(Path, options["roles"]))
        for name in ("files", "requirements"):
            options[name] = Path(options[name])
        bundle = Bundle(**options)
        path = directory / f"{bundle.key}.tar.gz"
        exists = path.exists()
        if not self._task.check_mode:
            try:
                path = bundle.build(directory)
            except StackError as error:
                raise AnsibleActionFail(str(error)) from error
        return {"changed": not exists, "path": str(path)}
