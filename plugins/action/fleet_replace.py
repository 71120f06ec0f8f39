"""Replace the hosts of an Auto Scaling group by new ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.action.companion import Companion
from plugins.action.fleet_lock import lock_folder
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.fleet_replacement import Replacement
from plugins.modules.fleet_replace import DOCUMENTATION

if TYPE_CHECKING:
    from collections.abc import Callable


class ActionModule(AwsAction):
    """The controller side of `fleet_replace`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Start the replacement and watch it."""
        replacement = Replacement(cloud, options["group"], options["targets"], self.say)
        before = replacement.members()
        if self.is_check:
            plan = "".join(f"  replace the host {name}\n" for name in sorted(before))
            return {"changed": bool(before), "replaced": [], "diff": {"prepared": plan}}
        refresh = replacement.start(options["warmup"], only_outdated=options["only_outdated"])
        replacement.follow(refresh, options["timeout"], self._watched(options))
        gone = sorted(before - replacement.members())
        return {"changed": bool(gone), "replaced": gone}

    def _watched(self, options: dict[str, Any]) -> Callable[[], str]:
        """Return what says why no further host may be replaced, nothing while all is well."""
        directory, name = Path(options["directory"] or ""), options["prover"]
        # As the action `companion` names it, which the same playbook forks.
        host = directory / str(self.variables["inventory_hostname"])
        prover, lock = Companion(host / f"{name}-{os.getppid()}"), Companion(lock_folder(directory))
        is_locked = lock.runs()

        def trouble() -> str:
            if name and not prover.runs():
                return "Calls failed while hosts were replaced"
            if is_locked and not lock.runs():
                return f"This run lost the fleet's lock: {lock.answer()['stderr'].strip()}"
            return ""

        return trouble
