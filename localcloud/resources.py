"""Which resources a call is about, where the emulator's checks take it for all of them."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from localcloud.access import Access
from localcloud.records import ApiError
from localcloud.seams import Emulator
from localcloud.stack_calls import Place, filled
from localcloud.stack_types import LAUNCH
from localcloud.templates import Templates, tags_of

_NAMES = ("AmazonSSM.GetParameters", "AmazonSSM.DeleteParameters")
_PATH = "AmazonSSM.GetParametersByPath"
_PUT = "AmazonSSM.PutParameter"
_LOG_TAGGING = ("TagResource", "UntagResource", "ListTagsForResource")
# AWS lets nobody limit these to resources: a policy has to name "*".
_UNLIMITED = ("autoscaling", "ec2", "elasticloadbalancing")
# What a launch may tag.
_TAGGED = ("instance", "network-interface", "volume")

# What a call needs beyond the first resource: permissions ("" for the call's own) and resources.
_further: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("further", default=())
# What the ARN of a log group is followed by where policies are asked; "" for other resources.
_stream: ContextVar[str] = ContextVar("stream", default="")


class Resources:
    """Stands before the emulator's own view of calls, and knows those that it does not."""

    def __init__(self, emulator: Emulator, access: Access, templates: Templates) -> None:
        self._access = access
        self._actions = emulator.actions
        self._autoscaling = emulator.autoscaling
        self._evaluator = emulator.evaluator
        self._templates = templates
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
        """Name a call's resource, and note what else it needs."""
        place = Place(account, region)
        flat = {name: _first(value) for name, value in query.items()}
        found: list[tuple[str, str]] = []
        _stream.set("")
        if service == "ssm":
            found = _parameters(place, headers, body)
        elif service in _UNLIMITED and flat.get("Action", "").startswith("Describe"):
            found = [("", "*")]
        elif service == "autoscaling" and (group := self._group(flat)):
            found = [("", place.arn("autoscaling", group))]
        elif service == "ec2":
            found = self._of_ec2(place, flat)
        elif service == "logs":
            found = _log_group(place, headers, body)
        _further.set(tuple(found[1:]))
        if found:
            return found[0][1]
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
        """Return why a call is refused, None when all that it needs is allowed."""
        needed = (("", f"{resource_arn}{_stream.get()}"), *_further.get())
        _further.set(())
        _stream.set("")
        for other, resource in needed:
            context = {**(service_context or {}), **self._access.tag_keys(resource)}
            self._access.expect()
            denied = self._enforce(key, other or action, service, region, resource, context)
            if denied:
                return denied
        return None

    def _group(self, query: Mapping[str, str]) -> str:
        """Name the group of a call that names only its member."""
        wanted = query.get("InstanceId")
        if not wanted or query.get("AutoScalingGroupName"):
            return ""
        for group in self._autoscaling._asgs.values():
            if any(member["InstanceId"] == wanted for member in group["Instances"]):
                return str(group["AutoScalingGroupName"])
        return ""

    def _of_ec2(self, place: Place, query: Mapping[str, str]) -> list[tuple[str, str]]:
        """Name the instances of a call about several, and all that a launch needs."""
        if query.get("Action") != "RunInstances":
            several = [value for name, value in query.items() if name.startswith("InstanceId.")]
            return [("", place.arn("ec2", f"instance/{one}")) for one in several]
        try:
            flat = self._templates.merged(query)
        except ApiError:
            # The call will say what it lacks.
            flat = dict(query)
        values = {
            **flat,
            "SecurityGroupIds": [
                value for name, value in flat.items() if name.startswith("SecurityGroupId.")
            ],
        }
        _, *resources = LAUNCH.split()
        needed = [("", one) for resource in resources for one in filled(resource, values)]
        if named := query.get("LaunchTemplate.LaunchTemplateId"):
            needed.append(("", f"launch-template/{named}"))
        needed += [("ec2:CreateTags", f"{kind}/*") for kind in _TAGGED if tags_of(flat, kind)]
        return [(action, place.arn("ec2", resource)) for action, resource in needed]


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


def _log_group(place: Place, headers: dict[str, str], body: bytes) -> list[tuple[str, str]]:
    """Return the log group of a call, and note the stream: AWS asks for both in one ARN.

    Tagging is about the group alone; a policy that names a group without :* opens nothing else.
    """
    if headers.get("x-amz-target", "").endswith(_LOG_TAGGING):
        return []
    try:
        asked = json.loads(body)
    except ValueError:
        return []
    group = asked.get("logGroupName") or asked.get("logGroupIdentifier")
    if not isinstance(group, str):
        return []
    _stream.set(f":log-stream:{asked.get('logStreamName') or ''}")
    return [("", place.arn("logs", f"log-group:{group.removesuffix(':*')}"))]


def _parameters(place: Place, headers: dict[str, str], body: bytes) -> list[tuple[str, str]]:
    """Return the parameters of a call, or the path that they are below."""
    target = headers.get("x-amz-target", "")
    try:
        asked = json.loads(body)
    except ValueError:
        return []
    if not isinstance(asked, dict):
        return []
    names = (
        asked.get("Names")
        if target in _NAMES
        else [asked.get("Path" if target == _PATH else "Name")]
    )
    found = [
        ("", place.arn("ssm", f"parameter/{name}")) for name in names or () if isinstance(name, str)
    ]
    if target == _PUT and asked.get("Tags"):
        found += [("ssm:AddTagsToResource", arn) for _, arn in found]
    return found
