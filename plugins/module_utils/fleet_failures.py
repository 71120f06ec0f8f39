"""The hosts of a fleet that could not configure themselves, since one last could.

Each has left the end of its console in the bucket, by the user data in cloudformation/fleet.yaml;
the last of too many has kept the group from replacing hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.module_utils.fleet_launch import FAILED
from plugins.module_utils.plain_text import visible

if TYPE_CHECKING:
    from plugins.module_utils.aws_cloud import Cloud

_FOLDER = "failures/"
_PROCESS = "ReplaceUnhealthy"
_SHOWN = 10


class Failures:
    """Those of one fleet."""

    def __init__(self, cloud: Cloud, bucket: str, group: str) -> None:
        self._cloud = cloud
        self._bucket = bucket
        self._group = group

    def instances(self) -> list[str]:
        """Return the ids of the hosts, the last one that failed at the end."""
        pages = self._cloud.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=_FOLDER
        )
        found = [item for page in pages for item in page.get("Contents", [])]
        found.sort(key=lambda item: item["LastModified"])
        return [item["Key"].removeprefix(_FOLDER) for item in found]

    def described(self) -> list[dict[str, Any]]:
        """Say of the last ones which `instance` failed, when (`at`), why, and its `console`."""
        said = []
        for instance in self.instances()[-_SHOWN:]:
            try:
                answer = self._cloud.s3.get_object(Bucket=self._bucket, Key=_FOLDER + instance)
            except self._cloud.s3.exceptions.NoSuchKey:
                # A host has succeeded meanwhile.
                continue
            lines = answer["Body"].read().decode(errors="replace").splitlines()
            reasons = [line.partition(FAILED)[2] for line in lines if FAILED in line]
            said.append(
                {
                    "instance": instance,
                    "at": f"{answer['LastModified']:%Y-%m-%dT%H:%M:%SZ}",
                    "why": visible(reasons[-1]) if reasons else "it did not say why",
                    "console": [visible(line) for line in lines],
                }
            )
        return said

    def is_replaced(self) -> bool:
        """Whether the group replaces a host that takes no calls."""
        answer = self._cloud.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=[self._group]
        )
        return not any(
            process.get("ProcessName") == _PROCESS
            for group in answer["AutoScalingGroups"]
            for process in group.get("SuspendedProcesses", [])
        )

    def forget(self) -> None:
        """Let the group replace hosts again, and count from none."""
        self._cloud.autoscaling.resume_processes(
            AutoScalingGroupName=self._group, ScalingProcesses=[_PROCESS]
        )
        for instance in self.instances():
            self._cloud.s3.delete_object(Bucket=self._bucket, Key=_FOLDER + instance)
