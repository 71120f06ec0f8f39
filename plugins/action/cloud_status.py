"""Ask CloudWatch how a deployment fares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.cloud_logs import CloudLogs
from plugins.modules.cloud_status import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `cloud_status`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Ask for the alarms and for each server's calls."""
        logs = CloudLogs(cloud, options["server"], options["client"], options["service"])
        found = cloud.cloudwatch.describe_alarms(AlarmNames=options["alarms"])["MetricAlarms"]
        alarms = [
            {
                "name": alarm["AlarmName"],
                "state": alarm["StateValue"],
                "since": alarm["StateUpdatedTimestamp"].isoformat(timespec="seconds"),
                "reason": alarm.get("StateReason", ""),
                "description": alarm.get("AlarmDescription", ""),
            }
            for alarm in found
        ]
        calls = {host: logs.last_minute(host) for host in options["hosts"]}
        return {"changed": False, "alarms": alarms, "calls": calls}
