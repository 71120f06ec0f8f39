"""Compare a stack's security groups with its template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils import security_groups
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.stack_events import describe
from plugins.modules.stack_drift import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `stack_drift`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Ask AWS for both sides and compare."""
        name: str = options["name"]
        exists = describe(cloud.cloudformation, name) is not None
        return {
            "changed": False,
            "drift": security_groups.drift(cloud, name) if exists else [],
        }
