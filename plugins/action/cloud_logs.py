"""Read a deployment's log from CloudWatch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.cloud_logs import CloudLogs, Wanted
from plugins.modules.cloud_logs import DOCUMENTATION

_CHOICE = ("lines", "since", "until", "request_id", "level")


class ActionModule(AwsAction):
    """The controller side of `cloud_logs`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Read the lines."""
        logs = CloudLogs(cloud, options["server"], options["client"], options["service"])
        wanted = Wanted(**{name: options[name] for name in _CHOICE})
        return {"changed": False, "entries": logs.entries(wanted)}
