"""Which resources a call is about, where the emulator's checks take it for all of them."""

import json
from contextvars import ContextVar
from typing import Any

from localcloud.seams import Emulator

_NAMES = ("AmazonSSM.GetParameters", "AmazonSSM.DeleteParameters")
_PATH = "AmazonSSM.GetParametersByPath"

_TAGGING = ("TagResource", "UntagResource", "ListTagsForResource")

# What a call is about beyond the first resource; every one has to be allowed.
_further: ContextVar[tuple[str, ...]] = ContextVar("further", default=())
# What the ARN of a log group is followed by where policies are asked; "" for other resources.
_stream: ContextVar[str] = ContextVar("stream", default="")


class Resources:
    """Stands before the emulator's own view of calls, and knows those that it does not."""

    def __init__(self, emulator: Emulator) -> None:
        self._actions = emulator.actions
        self._autoscaling = emulator.autoscaling
        self._evaluator = emulator.evaluator
        self._extract: Any = self._actions.extract_resource_arn
        self._enforce: Any = self._evaluator.enforce

    def install(self) -> None:
        """Take the place of the emulator's functions."""
        self._actions.extract_resource_arn = self.extract
        self._evaluator.enforce = self.enforce

    # The signatures are the emulator's.
    def extract(
        self,
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        region: str,
        account: str,
    ) -> str:
        """Name a call's resource, and note the further ones."""
        found: list[str] = []
        _stream.set("")
        if service == "ssm":
            prefix = f"arn:aws:ssm:{region}:{account}:parameter/"
            found = [f"{prefix}{name.lstrip('/')}" for name in _parameters(headers, body)]
        elif service == "autoscaling":
            group = self._group(query)
            prefix = f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*"
            found = [f"{prefix}:autoScalingGroupName/{group}"] if group else []
        elif service == "logs":
            found = _log_group(headers, body, f"arn:aws:logs:{region}:{account}:log-group:")
        _further.set(tuple(found[1:]))
        if found:
            return found[0]
        known: str = self._extract(service, method, path, headers, body, query, region, account)
        return known

    def enforce(
        self,
        key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        """Return why a call is refused, None when each of its resources is allowed."""
        resources = (f"{resource_arn}{_stream.get()}", *_further.get())
        _further.set(())
        _stream.set("")
        for resource in resources:
            denied = self._enforce(key, action, service, region, resource, service_context)
            if denied:
                return denied
        return None

    def _group(self, query: dict[str, Any]) -> str:
        """Name the group of a call that names only its member."""
        wanted = query.get("InstanceId")
        wanted = wanted[0] if isinstance(wanted, list) else wanted
        if not wanted or query.get("AutoScalingGroupName"):
            return ""
        for group in self._autoscaling._asgs.values():
            if any(member["InstanceId"] == wanted for member in group["Instances"]):
                return str(group["AutoScalingGroupName"])
        return ""


def _log_group(headers: dict[str, str], body: bytes, prefix: str) -> list[str]:
    """Return the log group of a call, and note the stream: AWS asks for both in one ARN.

    Tagging is about the group alone; a policy that names a group without :* opens nothing else.
    """
    if headers.get("x-amz-target", "").endswith(_TAGGING):
        return []
    try:
        asked = json.loads(body)
    except ValueError:
        return []
    group = asked.get("logGroupName") or asked.get("logGroupIdentifier")
    if not isinstance(group, str):
        return []
    _stream.set(f":log-stream:{asked.get('logStreamName') or ''}")
    return [group.removesuffix(":*") if group.startswith("arn:") else f"{prefix}{group}"]


def _parameters(headers: dict[str, str], body: bytes) -> list[str]:
    """Return the parameters of a call about several, or the path that they are below."""
    target = headers.get("x-amz-target", "")
    if target not in (*_NAMES, _PATH):
        return []
    try:
        asked = json.loads(body)
    except ValueError:
        return []
    names = asked.get("Names") if target in _NAMES else [asked.get("Path")]
    return [name for name in names or () if isinstance(name, str)]
