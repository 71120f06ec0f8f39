"""Lifecycle hooks: members that wait for somebody's word before they start or end."""

import time
import uuid
from typing import Any

from localcloud.autoscaling_fields import invalid
from localcloud.records import Record
from localcloud.seams import Emulator

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
_RESULTS = ("CONTINUE", "ABANDON")
_SHORTEST, _LONGEST = 30, 7200


class Hooks:
    """Starts, prolongs and ends the waiting of members."""

    def __init__(self, emulator: Emulator) -> None:
        self._autoscaling = emulator.autoscaling

    def put(self, group: str, fields: dict[str, Any]) -> None:
        """Add a hook to a group or change it.

        Args:
            group: The group's name.
            fields: As PutLifecycleHook and LifecycleHookSpecificationList name them.

        Raises:
            ApiError: A value that AWS refuses too.

        """
        name = fields["LifecycleHookName"]
        known = self._autoscaling._hooks.get(f"{group}/{name}", {})
        transition = fields.get("LifecycleTransition") or known.get("LifecycleTransition")
        if transition not in (LAUNCHING, TERMINATING):
            raise invalid(
                "Invalid Lifecycle Transition. You may only use one of"
                f" [{LAUNCHING}, {TERMINATING}]."
            )
        result = fields.get("DefaultResult") or "ABANDON"
        timeout = int(fields.get("HeartbeatTimeout") or 3600)
        if result not in _RESULTS:
            raise invalid("DefaultResult must be CONTINUE or ABANDON.")
        if not _SHORTEST <= timeout <= _LONGEST:
            raise invalid(f"Heartbeat timeout must be between {_SHORTEST} and {_LONGEST} seconds.")
        given = {key: value for key, value in fields.items() if value not in ("", None)}
        self._autoscaling._hooks[f"{group}/{name}"] = self._autoscaling._hook_record(
            group, name, {**known, **given}
        )

    def begin(self, group: Record, member: Record, transition: str) -> bool:
        """Let a member wait for the hooks of its group; say whether there are any."""
        mine = group["AutoScalingGroupName"]
        member["_actions"] = {
            hook["LifecycleHookName"]: {
                "token": str(uuid.uuid4()),
                "deadline": time.monotonic() + hook["HeartbeatTimeout"],
                "timeout": hook["HeartbeatTimeout"],
                "default": hook["DefaultResult"],
                "result": "",
            }
            for hook in self._autoscaling._hooks.values()
            if (hook["AutoScalingGroupName"], hook["LifecycleTransition"]) == (mine, transition)
        }
        return bool(member["_actions"])

    def result(self, member: Record) -> str:
        """Return CONTINUE or ABANDON once every hook has spoken, "" while one is waited for."""
        actions = member["_actions"].values()
        for action in actions:
            if not action["result"] and time.monotonic() > action["deadline"]:
                action["result"] = action["default"]
        results = {action["result"] for action in actions}
        if "ABANDON" in results:
            return "ABANDON"
        return "" if "" in results else "CONTINUE"

    def complete(self, member: Record | None, fields: dict[str, Any]) -> None:
        """Take the word that a hook's action is done.

        Raises:
            ApiError: Nobody waits for it.

        """
        if fields.get("LifecycleActionResult") not in _RESULTS:
            raise invalid("LifecycleActionResult must be CONTINUE or ABANDON.")
        self._waiting(member, fields)["result"] = fields["LifecycleActionResult"]

    def heartbeat(self, member: Record | None, fields: dict[str, Any]) -> None:
        """Start a hook's timeout anew.

        Raises:
            ApiError: Nobody waits for it.

        """
        action = self._waiting(member, fields)
        action["deadline"] = time.monotonic() + action["timeout"]

    def _waiting(self, member: Record | None, fields: dict[str, Any]) -> Record:
        hook, token = fields.get("LifecycleHookName", ""), fields.get("LifecycleActionToken")
        waits = member is not None and member["LifecycleState"].endswith(":Wait")
        action: Record | None = member["_actions"].get(hook) if member and waits else None
        if action is None or action["result"] or token not in (None, "", action["token"]):
            named = f"instance ID {fields.get('InstanceId')}" if not token else f"token {token}"
            raise invalid(f"No active Lifecycle Action found with {named}")
        return action
