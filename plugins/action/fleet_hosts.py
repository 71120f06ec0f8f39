"""Wait for the hosts of an Auto Scaling group."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.fleet import Fleet
from plugins.module_utils.fleet_failures import Failures
from plugins.modules.fleet_hosts import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `fleet_hosts`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Look, or wait for what is asked for."""
        fleet = Fleet(cloud, options["group"], options["targets"], self.say)
        timeout: int = options["timeout"]
        if not self.is_check and timeout > 0:
            if options["awaited"]:
                fleet.reached(options["awaited"], timeout)
            elif options["targets"]:
                fleet.ready(timeout)
            else:
                fleet.launched(timeout)
        wanted, members = fleet.members()
        failures = Failures(cloud, options["bucket"], options["group"])
        return {
            "changed": False,
            "group": options["group"],
            "instances": [member.instance for member in members],
            "wanted": wanted,
            "hosts": fleet.described(members),
            "failures": failures.described() if options["bucket"] else [],
            "replaces": failures.is_replaced(),
        }
