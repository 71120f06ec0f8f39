"""Publish what the new hosts of a fleet take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud
from plugins.module_utils.fleet_failures import Failures
from plugins.module_utils.release_bucket import Offer, ReleaseBucket
from plugins.modules.release_publish import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `release_publish`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Publish, in an order that leaves nothing half published in use."""
        deployment = str(self._templar.template(self.variables["deployment"]))
        bucket = ReleaseBucket(
            cloud, options["bucket"], deployment, check=self.is_check, say=self.say
        )
        current = bucket.current()
        bucket.put_parameters({name: Path(path) for name, path in options["parameters"].items()})
        release: str = options["release"]
        archive, bundle = (Path(options[name] or "") for name in ("archive", "bundle"))
        if release and archive.is_file() and bundle.is_file():
            named = Offer(release, archive, bundle).named()
            bucket.put_objects(Offer(release, archive, bundle), named)
            if not current or options["proven"]:
                bucket.name(named)
            bucket.remove_old(options["keep"], current, named)
        elif release and options["archive"]:
            # In check mode they are not built.
            bucket.changes.append(f"release {release}")
        elif release:
            bucket.name(bucket.kept(release))
        if release and options["proven"] and options["group"]:
            bucket.try_again(Failures(cloud, options["bucket"], options["group"]))
        difference = "".join(f"  publish {change}\n" for change in bucket.changes)
        return {
            "changed": bool(bucket.changes),
            "changes": bucket.changes,
            "is_first": not current,
            "diff": {"prepared": difference} if difference else {},
        }
