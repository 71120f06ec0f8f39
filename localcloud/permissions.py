"""What is done in a caller's name is checked too: the calls behind a stack, the role of a host."""

import functools
from collections.abc import Callable
from typing import Any

from localcloud.access import Access, Call
from localcloud.seams import Emulator
from localcloud.stack_calls import CONTEXT, Place, StackCalls

_ACTIONS = ("create", "update", "delete")


class Permissions:
    """Asks the policies of callers whose keys are checked; others may do everything."""

    def __init__(self, emulator: Emulator, access: Access) -> None:
        self._access = access
        self._ec2 = emulator.ec2
        self._iam = emulator.iam
        self._provisioners = emulator.provisioners
        self._responses = emulator.responses

    def install(self) -> None:
        """Put the check before every handler that is registered now."""
        for kind, handlers in self._provisioners._RESOURCE_HANDLERS.items():
            for action in set(_ACTIONS) & set(handlers):
                handlers[action] = self._guarded(kind, action, handlers[action])

    def pass_role(self, profile: str, code: str, service: str) -> None:
        """Make sure that the caller may give a host the role of an instance profile.

        Args:
            profile: The profile's name.
            code: The error's code.
            service: Who refuses.

        Raises:
            ApiError: The caller may not.

        """
        found = self._iam._instance_profiles.get(profile, {})
        for role in found.get("Roles", ()):
            resource = self._place().arn("iam", f"role/{role}")
            call = Call("iam:PassRole", resource, context=CONTEXT["iam:PassRole"])
            self._access.require(call, code, service)

    def _guarded(self, kind: str, action: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def guarded(*arguments: Any, **named: Any) -> Any:
            service = kind.split("::")[1]
            for call in self._calls(kind, action, *arguments):
                self._access.require(call, "AccessDenied", service)
            if kind == "AWS::AutoScaling::AutoScalingGroup" and action != "delete":
                self._pass_roles(arguments[1 if action == "create" else 2], service)
            return handler(*arguments, **named)

        return guarded

    def _calls(self, kind: str, action: str, first: str, *arguments: Any) -> list[Call]:
        calls = StackCalls(self._place(), kind)
        if action == "create":
            return calls.create(first, arguments[0], arguments[1])
        itself = self._allocation(first) if kind == "AWS::EC2::EIP" else first
        if action == "update":
            return calls.update(itself, arguments[0], arguments[1])
        return calls.delete(itself, arguments[0])

    def _pass_roles(self, properties: dict[str, Any], service: str) -> None:
        """Check the role that a group's hosts get by its launch template."""
        named = (properties.get("LaunchTemplate") or {}).get("LaunchTemplateId", "")
        template = self._ec2._launch_templates.get(named)
        if template:
            data = template["Versions"][-1]["LaunchTemplateData"]
            profile = data.get("IamInstanceProfile") or {}
            name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
            self.pass_role(name, "AccessDenied", service)

    def _place(self) -> Place:
        return Place(self._responses.get_account_id(), self._responses.get_region())

    def _allocation(self, address: str) -> str:
        """Return what policies call an Elastic IP that CloudFormation calls by its address."""
        every = self._ec2._addresses.values()
        found = (one["AllocationId"] for one in every if one["PublicIp"] == address)
        return str(next(found, address))
