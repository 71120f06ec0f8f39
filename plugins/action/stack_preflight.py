"""Check that a host can be launched, before anything is created."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.stack_preflight import Preflight, Wish
from plugins.modules.stack_preflight import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `stack_preflight`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Run the checks and say who deploys what, and where."""
        given = {key: value for key, value in options.items() if key != "aws"}
        wish = Wish(**{**given, "subnet_ids": tuple(given["subnet_ids"])})
        found = Preflight(cloud, wish).run()
        self.say(
            f"Deploying {wish.name} to {cloud.endpoint or 'AWS'}: account {found.account}, "
            f"{cloud.region}, as {found.identity}"
        )
        return {
            "changed": False,
            "account": found.account,
            "identity": found.identity,
            "parameters": found.parameters,
        }
