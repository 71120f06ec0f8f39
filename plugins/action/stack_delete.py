"""Remove a CloudFormation stack with a receipt, and ask AWS what is left."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud, StackError
from plugins.module_utils.stack_removal import Removal, Resource
from plugins.modules.stack_delete import DOCUMENTATION


class ActionModule(AwsAction):
    """The controller side of `stack_delete`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """List, ask for the confirmation that AWS needs, remove, and look at what is left."""
        name: str = options["name"]
        before = [Removal(cloud, one, self.say) for one in options["before"]]
        removal = Removal(cloud, name, self.say)
        removals = [*(one for one in before if one.stack is not None), removal]
        held = [resource for one in removals for resource in one.resources()]
        exists = any(one.stack is not None for one in removals)
        if self.is_check:
            return _result(held, changed=exists)
        if exists and options["confirm"] != name and not is_local(cloud):
            raise StackError(_unconfirmed(cloud, name, held, options["command"]))
        receipt: list[Resource] = []
        left: dict[str, str] = {}
        for one in removals:
            removed = one.run(options["timeout"])
            self._say_receipt(one, removed)
            receipt += removed
            left |= one.left()
        if left:
            raise StackError(
                f"AWS still has something of {name}: {', '.join(left)}. "
                f"To remove it: {'; '.join(left.values())}"
            )
        self.say(f"AWS says that nothing of {name} is left")
        return _result(receipt, changed=exists)

    def _say_receipt(self, removal: Removal, receipt: list[Resource]) -> None:
        if removal.stack is None:
            self.say(f"Receipt: the stack {removal.name} is already gone")
            return
        self.say(f"Receipt for the stack {removal.name} ({removal.stack['StackId']}):")
        for resource in receipt:
            self.say(resource.said())


def is_local(cloud: Cloud) -> bool:
    """Say whether the API is on this machine, so that nothing of value can be lost."""
    host = urlsplit(cloud.endpoint or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unconfirmed(cloud: Cloud, name: str, held: list[Resource], command: str) -> str:
    lines = [resource.said() for resource in held]
    return "\n".join(
        [
            f"Nothing was removed: this would remove the stack {name} in {cloud.region} for good:",
            *lines,
            f"To confirm, type: {command} -e confirm={name}",
        ]
    )


def _result(resources: list[Resource], *, changed: bool) -> dict[str, Any]:
    lines = [resource.said() for resource in resources]
    return {
        "changed": changed,
        "receipt": [
            {"resource": item.logical_id, "id": item.identifier, "state": item.state}
            for item in resources
        ],
        "diff": {"prepared": "\n".join(lines) + "\n"} if lines else {},
    }
