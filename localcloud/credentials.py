"""Whose keys are checked, and the temporary ones that instances get for their role."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from localcloud.records import Record
from localcloud.seams import Emulator
from localcloud.settings import Settings

_LIFETIME = 6 * 3600
_RENEWED_BEFORE = 3600
# As AWS's keys begin: of users and of temporary sessions. Other keys are the operator's.
_ISSUED = re.compile(rb"(?:Credential=|AWSAccessKeyId=|AWS )((?:AKIA|ASIA)\w+)")
_ENCRYPTED = (b"x-forwarded-proto", b"https")
_HEALTH = ("/health", "/_ministack/health", "/_localstack/health")

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

_checked: ContextVar[bool] = ContextVar("checked", default=False)
# The key of a caller who is checked, for what is done on the caller's behalf; "" for others.
caller: ContextVar[str] = ContextVar("caller", default="")
_from_host: ContextVar[bool] = ContextVar("from_host", default=False)


class _Switch:
    """Stands for the emulator's global AUTH; true while a request is answered that is checked."""

    def __bool__(self) -> bool:
        return _checked.get()


class Credentials:
    """Gives instances the keys of their role, and has keys checked against policies."""

    def __init__(self, settings: Settings, emulator: Emulator) -> None:
        self._settings = settings
        self._emulator = emulator
        self._given: dict[tuple[str, str], Record] = {}

    def checking(self, application: Application) -> Application:
        """Put the emulator's checks on for requests from hosts and for keys that it gave out."""
        self._emulator.app.AUTH = _Switch()
        is_root = self._emulator.evaluator.is_root_access_key
        # The operator's keys are worth nothing on a host.
        self._emulator.evaluator.is_root_access_key = lambda key: bool(
            is_root(key) and not (key and _from_host.get())
        )

        async def checked(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                from_host = self.is_host(scope)
                if from_host and scope["path"].startswith("/_") and scope["path"] not in _HEALTH:
                    await _refuse(send)
                    return
                _from_host.set(from_host)
                key = _issued(scope)
                _checked.set(from_host or bool(key))
                caller.set(key)
                # What never leaves the machine counts as encrypted, for policies that ask for TLS.
                scope = {**scope, "headers": [*scope["headers"], _ENCRYPTED]}
            await application(scope, receive, send)

        return checked

    def is_host(self, scope: dict[str, Any]) -> bool:
        """Whether a request comes from a host, not from this machine."""
        source = IPv4Address((scope.get("client") or ("127.0.0.1",))[0])
        return source in self._settings.private_range

    def role(self, scope: tuple[str, str], instance: Record) -> str:
        """Name the role of an instance's profile, "" without one."""
        profile = instance.get("IamInstanceProfile")
        if not profile:
            return ""
        with self._emulator.responses.request_scope(*scope):
            found = self._emulator.iam._lookup_instance_profile(arn=profile["Arn"])
            roles = found["Roles"] if found else []
            return next((str(role) for role in roles if role in self._emulator.iam._roles), "")

    def document(self, scope: tuple[str, str], instance_id: str, role: str) -> str:
        """Return a role's keys for an instance as the metadata service shows them."""
        given = self._given.get((instance_id, role))
        if given is None or given["ends"] - time.time() < _RENEWED_BEFORE:
            given = self._given[instance_id, role] = self._issue(scope, instance_id, role)
        document: str = given["document"]
        return document

    def _issue(self, scope: tuple[str, str], instance_id: str, role: str) -> Record:
        iam, account = self._emulator.iam, scope[0]
        now = time.time()
        key, secret, token = (
            str(make())
            for make in (iam._gen_session_access_key, iam._gen_secret, iam._gen_session_token)
        )
        with self._emulator.responses.request_scope(*scope):
            role_id = iam._roles[role]["RoleId"]
        self._emulator.sts.register_session(
            key,
            {
                "AccountId": account,
                "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{instance_id}",
                "Expiration": now + _LIFETIME,
                "PrincipalType": "AssumedRole",
                "SecretAccessKey": secret,
                "SessionToken": token,
                "UserId": f"{role_id}:{instance_id}",
            },
        )
        document = {
            "Code": "Success",
            "LastUpdated": _written(now),
            "Type": "AWS-HMAC",
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": token,
            "Expiration": _written(now + _LIFETIME),
        }
        return {"document": json.dumps(document, indent=2), "ends": now + _LIFETIME}


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _issued(scope: dict[str, Any]) -> str:
    """Return the key that a request names, "" when it is none that was given out."""
    signed = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    named = (_ISSUED.search(text) for text in (*signed, scope["query_string"]))
    return next((str(found[1], "ascii") for found in named if found), "")


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send(
        {"type": "http.response.body", "body": b"The emulator's own calls are not for hosts"}
    )
