"""Trouble made on purpose: calls that are refused, and an API that hosts cannot reach."""

import contextlib
import http.client
import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from localcloud.credentials import Application

_PATH = "/_localcloud/faults"
_PATIENCE = 20.0
# What AWS answers when there were too many calls, and when it is broken itself.
KINDS = {
    "throttle": ("ThrottlingException", "Rate exceeded", HTTPStatus.BAD_REQUEST),
    "break": (
        *("ServiceUnavailableException", "The service cannot complete the request."),
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
}
_SIGNED_FOR = re.compile(rb"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class Faults:
    """Knows which calls are refused, and whether hosts are cut off.

    Args:
        cut_off: Closes the way from hosts to the API, or opens it.
        is_host: Tells whether a request, by its scope, comes from a host.

    """

    def __init__(
        self, cut_off: Callable[[bool], None], is_host: Callable[[dict[str, Any]], bool]
    ) -> None:
        self._cut_off, self._is_host = cut_off, is_host
        self._faults: dict[str, Any] = {"outage": False, "calls": {}}

    def before(self, application: Application) -> Application:
        """Put the faults before the API, and answer calls about them."""

        async def answered(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == _PATH:
                if scope["method"] == "PUT":
                    self._set(json.loads(await _body(receive)))
                await _answer(send, HTTPStatus.OK, self._faults)
                return
            kind = self._fault(scope) if scope["type"] == "http" else None
            if kind is None:
                await application(scope, receive, send)
                return
            code, message, status = KINDS[kind]
            await _answer(send, status, {"__type": code, "message": message})

        return answered

    def _set(self, faults: dict[str, Any]) -> None:
        self._faults = {"outage": bool(faults.get("outage")), "calls": faults.get("calls") or {}}
        self._cut_off(self._faults["outage"])

    def _fault(self, scope: dict[str, Any]) -> str | None:
        # What a host sent just before the way was closed is read after it.
        if self._faults["outage"] and self._is_host(scope):
            return "break"
        headers = {name.lower(): value for name, value in scope["headers"]}
        target = headers.get(b"x-amz-target", b"").rpartition(b".")[2]
        signed = _SIGNED_FOR.search(headers.get(b"authorization", b""))
        if not target or not signed:
            return None
        action = f"{signed[1].decode()}:{target.decode()}"
        calls: dict[str, str] = self._faults["calls"]
        return next((kind for one, kind in calls.items() if fnmatchcase(action, one)), None)


def make(endpoint: str, faults: dict[str, Any]) -> dict[str, Any]:
    """Make trouble in a running cloud; return the trouble that there is now.

    Args:
        endpoint: URL of its API.
        faults: outage, a truth, and calls, a kind of KINDS by call.

    """
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=_PATIENCE)
    with contextlib.closing(connection):
        connection.request("PUT", _PATH, json.dumps(faults))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Any, status: HTTPStatus, content: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/x-amz-json-1.1")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})
