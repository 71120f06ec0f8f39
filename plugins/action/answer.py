"""Print an answer to a person or a program, and keep it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.argument_spec import argument_spec
from plugins.module_utils.plain_text import visible
from plugins.modules.answer import DOCUMENTATION


class ActionModule(ActionBase):
    """The controller side of `answer`, which is all there is."""

    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Keep the data, print the answer, and fail when there is a problem."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=argument_spec(DOCUMENTATION))
        data = json.dumps(options["data"], indent=2, ensure_ascii=False)
        if options["path"]:
            path = Path(options["path"])
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(f"{data}\n", encoding="utf-8")
        text = data if options["format"] == "json" else "\n".join(map(visible, options["text"]))
        if text:
            Display().display(text)
        problem = {"failed": True, "msg": options["problem"]} if options["problem"] else {}
        return result | {"changed": False, "path": options["path"] or ""} | problem
