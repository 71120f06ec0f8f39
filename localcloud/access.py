"""Who may do what, to which resource: asks the policies, and notes what a user's key did.

`access.jsonl` in the cloud's folder has one line for each permission that the key of a user was
asked for: when, who, the permission, the resource, the answer, and the statements that allow it.
"""

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.credentials import caller
from localcloud.records import ApiError
from localcloud.seams import Emulator
from localcloud.settings import Settings

# Whether the next question to the policies is about a call, and not about what else they say.
_asked: ContextVar[bool] = ContextVar("asked", default=False)
_TAGGED = ("ec2", "elasticloadbalancing")

Tags = dict[str, str]


@dataclass(frozen=True)
class Call:
    """One permission that is asked for.

    Attributes:
        action: As policies name it.
        resource: The ARN of what it is about; a name that is not known yet ends in "*".
        request_tags: Tags that the call gives.
        resource_tags: Tags that the resource has; None to look them up.
        context: What else a policy's conditions may ask.

    """

    action: str
    resource: str
    request_tags: Tags = field(default_factory=dict)
    resource_tags: Tags | None = None
    context: dict[str, str] = field(default_factory=dict)


class Access:
    """Stands before the emulator's policies."""

    def __init__(self, settings: Settings, emulator: Emulator) -> None:
        self._path = settings.run_directory / "access.jsonl"
        self._alb = emulator.alb
        self._ec2 = emulator.ec2
        self._evaluator = emulator.evaluator
        self._responses = emulator.responses
        self._evaluate: Any = self._evaluator.evaluate

    def install(self) -> None:
        """Take the place of the emulator's function; what another cloud noted is forgotten."""
        self._path.unlink(missing_ok=True)
        self._evaluator.evaluate = self.evaluate

    def expect(self) -> None:
        """Note the next answer of the policies: it is about a call."""
        _asked.set(True)

    # The signature is the emulator's.
    def evaluate(self, context: Any, policies: list[Any], *limits: Any) -> Any:
        """Ask the policies, and note the answer when it is about a user's call."""
        result = self._evaluate(context, policies, *limits)
        if _asked.get():
            _asked.set(False)
            if context.principal_type == "User":
                self._note(context, policies, result)
        return result

    def require(self, call: Call, code: str, service: str) -> None:
        """Make sure that the caller may make a call; the operator may make all.

        Args:
            call: The call.
            code: The error's code.
            service: Who refuses.

        Raises:
            ApiError: The caller may not.

        """
        if not caller.get():
            return
        account, region = self._responses.get_account_id(), self._responses.get_region()
        found = self._evaluator.resolve_principal(caller.get(), account)
        if isinstance(found, self._evaluator.AuthError):
            raise ApiError(found.code, found.message, 403, service)
        if found.policies is None:
            return
        context = self._evaluator.EvalContext(
            principal_arn=found.arn,
            principal_type=found.type,
            principal_account=found.account,
            action=call.action,
            resource_arn=call.resource,
            region=region,
            service_context=self._context(call),
            principal_keys=found.keys,
        )
        self.expect()
        if self.evaluate(context, found.policies, *found.limits).decision != "Allow":
            raise ApiError(
                code,
                f"User: {found.arn} is not authorized to perform: {call.action} on resource:"
                f" {call.resource} because no identity-based policy allows the {call.action}"
                " action",
                *(403, service),
            )

    def tag_keys(self, resource: str) -> dict[str, str]:
        """Return a resource's tags as conditions ask for them."""
        return _keys("aws:resourcetag", self._tags(resource))

    def _context(self, call: Call) -> dict[str, Any]:
        tags = self._tags(call.resource) if call.resource_tags is None else call.resource_tags
        return {
            "aws:tagkeys": list(call.request_tags) or None,
            **_keys("aws:requesttag", call.request_tags),
            **_keys("aws:resourcetag", tags),
            **{key.lower(): value for key, value in call.context.items()},
        }

    def _tags(self, resource: str) -> Tags:
        """Look the tags of a resource up, none for what has no tags here."""
        service = resource.split(":")[2] if resource.startswith("arn:") else ""
        if service not in _TAGGED:
            return {}
        kind, _, name = resource.split(":", 5)[5].partition("/")
        if kind == "key-pair":
            name = self._ec2._key_pairs.get(name, {}).get("KeyPairId", "")
        store = self._ec2._tags.get(name) if service == "ec2" else self._alb._tags.get(resource)
        return {tag["Key"]: tag["Value"] for tag in store or ()}

    def _note(self, context: Any, policies: list[Any], result: Any) -> None:
        evaluator = self._evaluator
        allowing = [
            statement.sid
            for statements in policies
            for statement in statements
            if statement.effect == "Allow"
            and evaluator._action_matches(context.action, statement.actions, statement.not_actions)
            and evaluator._resource_matches(
                context.resource_arn, statement.resources, statement.not_resources
            )
            and evaluator._conditions_met(statement.conditions, context)
        ]
        line = {
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "principal": context.principal_arn,
            "action": context.action,
            "resource": context.resource_arn,
            "decision": result.decision,
            "statements": allowing,
        }
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def _keys(prefix: str, tags: Tags) -> dict[str, str]:
    return {f"{prefix}/{key}".lower(): value for key, value in tags.items()}
