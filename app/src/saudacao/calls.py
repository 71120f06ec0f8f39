"""What every call of every service gets: an id, a line in the log, an honest status, a count."""

import itertools
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from saudacao.connection import REQUEST_ID
from saudacao.errors import InvalidRequestError
from saudacao.handlers import Continuation, Handler, Interceptor
from saudacao.health import is_health
from saudacao.logs import Log, current_call, describe
from saudacao.metrics import MOST_METHODS, Counts, Metrics

RELEASE = "x-release"

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOGGED_METHOD = 200

# Ids of our own are unique without a question to the kernel for each call.
_OWN_IDS = secrets.token_hex(6)
_numbers = itertools.count()


class Admission(Protocol):
    """Says what runs for a call: saudacao.overload has the one of a server."""

    busy: Handler

    def handler(self, method: str, own: Handler | None) -> Handler:
        """Return what runs for a method's handler, or for a call of a method without one."""

    def has_room(self) -> bool:
        """Tell whether the present call is taken; otherwise `busy` runs for it."""


class _Outcome(Protocol):
    """The part of a servicer context that grpc's type stubs leave out."""

    def code(self) -> grpc.StatusCode | None: ...


class _Method(NamedTuple):
    """What is the same for all calls of a method: its handlers, wrapped, and its counts."""

    own: Handler | None
    handler: Handler
    busy: Handler
    counts: Counts


class Calls(Interceptor):
    """Wraps every handler except the health service's, which is asked all the time."""

    def __init__(self, log: Log, metrics: Metrics, admission: Admission) -> None:
        self.log = log
        self.metrics = metrics
        self._admission = admission
        self._methods: dict[str, _Method] = {}

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler that was chosen, wrapped."""
        name = handler_call_details.method
        own = continuation(handler_call_details)
        method = self._methods.get(name)
        # gRPC has the same handler for all calls of a method; a service's own may be new each time.
        if method is None or method.own is not own:
            if is_health(name):
                return self._admission.handler(name, own)
            method = self._learn(name, own)
        current_call.set((_choose_id(handler_call_details.invocation_metadata), time.monotonic()))
        method.counts.started += 1
        return method.handler if own is None or self._admission.has_room() else method.busy

    def _learn(self, name: str, own: Handler | None) -> _Method:
        counts = self.metrics.counts(None if own is None else name)
        handler = self._admission.handler(name, own)
        wrapped, busy = (
            _wrap(_Behavior(self.log, counts, name, each), each)
            for each in (handler, self._admission.busy)
        )
        method = _Method(own, wrapped, busy, counts)
        if own is not None and (name in self._methods or len(self._methods) < MOST_METHODS):
            self._methods[name] = method
        return method


def _wrap(behavior: "_Behavior", handler: Handler) -> Handler:
    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(behavior.stream)
    return grpc.stream_unary_rpc_method_handler(behavior)


class _Behavior:
    """A method as gRPC sees it: bytes in, bytes out, always with an iterator of requests.

    Reading and parsing inside gives requests that cannot be read a log line and a status too.
    """

    def __init__(self, log: Log, counts: Counts, method: str, handler: Handler) -> None:
        self.log = log
        self.counts = counts
        self.method = method[:_LOGGED_METHOD]
        self.release = RELEASE, log.release
        self._function: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        self._streams = handler.request_streaming
        self._parse_bytes = handler.request_deserializer or _as_it_is
        self._serialize_reply = handler.response_serializer or _as_it_is
        self.experimental_thread_pool = getattr(self._function, "experimental_thread_pool", None)

    def __call__(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        call = _Call(self, context)
        try:
            reply = self._function(self._request(requests, call), context)
            serialized = self._serialize(reply)
        except BaseException as error:
            call.fail(error)
            raise
        call.end()
        return serialized

    def stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Handle a call with many replies."""
        call = _Call(self, context)
        try:
            for reply in self._function(self._request(requests, call), context):
                yield self._serialize(reply)
        except BaseException as error:
            call.fail(error)
            raise
        call.end()

    def _request(self, requests: Iterator[bytes], call: "_Call") -> Any:
        if self._streams:
            return map(partial(self._parse, call), requests)
        for request in requests:
            return self._parse(call, request)
        return call.context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call sent no request message")

    def _parse(self, call: "_Call", request: bytes) -> Any:
        call.request_bytes += len(request)
        try:
            return self._parse_bytes(request)
        except DecodeError:
            raise InvalidRequestError(
                "the request is not a message of this method: its bytes cannot be parsed"
            ) from None

    def _serialize(self, reply: Any) -> bytes:
        serialized = self._serialize_reply(reply)
        if not isinstance(serialized, bytes):
            raise TypeError(f"the handler replied with {type(reply).__name__}, not with a message")
        return serialized


class _Call:
    """One call: turns errors into statuses, adds the reply's metadata, logs and counts it."""

    __slots__ = ("_arrived", "_behavior", "_id", "_started", "context", "request_bytes")

    def __init__(self, behavior: _Behavior, context: grpc.ServicerContext) -> None:
        self._started = time.monotonic()
        self._id, self._arrived = current_call.get()
        self._behavior = behavior
        self.context = context
        self.request_bytes = 0

    def end(self) -> None:
        """Note that the handler has done its part."""
        if not self.context.is_active():
            self._write("CANCELLED")
            return
        self._add_metadata()
        code = cast(_Outcome, self.context).code()
        if code is None or code is grpc.StatusCode.OK:
            self._behavior.log.soon(self._line("info", "OK"))
        else:
            self._write(code.name)

    def fail(self, error: BaseException) -> None:
        """Note that the handler has raised an error; raise another for one that says no status."""
        if isinstance(error, GeneratorExit) or not self.context.is_active():
            self._write("CANCELLED")
            return
        self._add_metadata()
        chosen = cast(_Outcome, self.context).code()
        if chosen is not None and _is_abort(error):
            self._write(chosen.name)
        elif isinstance(error, InvalidRequestError):
            self._write("INVALID_ARGUMENT", reason=str(error))
            self.context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        else:
            self._write("INTERNAL", error)
            self.context.abort(
                grpc.StatusCode.INTERNAL,
                f"the server failed on this call: its log has the reason under {self._id}",
            )

    def _add_metadata(self) -> None:
        own = self.context.trailing_metadata() or ()
        self.context.set_trailing_metadata((*own, (REQUEST_ID, self._id), self._behavior.release))

    def _line(self, level: str, code: str) -> dict[str, Any]:
        """Count the end of the call, and return its line."""
        behavior, now = self._behavior, time.monotonic()
        behavior.counts.end(code, now - self._arrived)
        return {
            "time": time.time(),
            "level": level,
            "event": "call",
            "release": behavior.log.release,
            "request_id": self._id,
            "method": behavior.method,
            "code": code,
            "duration_ms": (now - self._started) * 1e6 // 1 / 1e3,
            "request_bytes": self.request_bytes,
        }

    def _write(self, code: str, error: BaseException | None = None, **more: object) -> None:
        levels = {"RESOURCE_EXHAUSTED": "warning"}
        line = self._line(levels.get(code, "info") if error is None else "error", code)
        # Not for every call: gRPC lets go of Python's one lock to look it up.
        line |= {**more, "peer": self.context.peer()}
        if error is not None:
            line |= describe(error)
        self._behavior.log.soon(line)
        self._behavior.log.flush()


def _choose_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Take the caller's id when it is a plain one, so that both sides log the same."""
    for key, value in metadata:
        if key == REQUEST_ID and isinstance(value, str) and _ACCEPTED_ID.fullmatch(value):
            return value
    return f"{_OWN_IDS}{next(_numbers):08x}"


def _as_it_is(message: Any) -> Any:
    return message


def _is_abort(error: BaseException) -> bool:
    """Tell a handler's context.abort(): it raises a bare Exception once the status is set."""
    return type(error) is Exception and not error.args
