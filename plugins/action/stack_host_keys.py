"""Keep the known_hosts file of a deployment equal to what its instances' consoles show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils import ssh_host_keys
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.modules.stack_host_keys import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `stack_host_keys`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Learn the keys of new instances, compare the known ones, forget those that are gone."""
        path = Path(options["path"])
        instances: list[str] = options["instances"]
        known = ssh_host_keys.load(path)
        for instance in [name for name in instances if name not in known]:
            self.say(f"Reading the SSH host keys of {instance} from its console")
        wanted = ssh_host_keys.update(cloud.ec2, path, instances, options["timeout"])
        changed = wanted != known
        if changed and not self.is_check:
            ssh_host_keys.save(path, wanted)
        return {
            "changed": changed,
            "added": sorted(wanted.keys() - known.keys()),
            "removed": sorted(known.keys() - wanted.keys()),
        }
