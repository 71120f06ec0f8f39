"""What every call of every service gets: an id, a line in the log, an honest status, a count."""

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, cast

import grpc
from google.protobuf.message import DecodeError

from saudacao.connection import REQUEST_ID
from saudacao.errors import InvalidRequestError
from saudacao.handlers import Continuation, Handler, Interceptor
from saudacao.health import is_health
from saudacao.logs import Log, request_id
from saudacao.metrics import Metrics

RELEASE = "x-release"

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOGGED_METHOD = 200

# Ids of our own are unique without a question to the kernel for each call.
_OWN_IDS = secrets.token_hex(8)
_numbers = itertools.count()


class _Outcome(Protocol):
    """The part of a servicer context that grpc's type stubs leave out."""

    def code(self) -> grpc.StatusCode | None: ...


class Calls(Interceptor):
    """Wraps every handler except the health service's, which is asked all the time.

    `knows` tells whether a handler is that of a method that there is.
    """

    def __init__(self, log: Log, metrics: Metrics, knows: Callable[[Handler], bool]) -> None:
        self.log = log
        self.metrics = metrics
        self._knows = knows

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the method's handler, wrapped."""
        handler = cast(Handler, continuation(handler_call_details))
        method = handler_call_details.method
        if is_health(method):
            return handler
        label = self.metrics.start(method if self._knows(handler) else None)
        behavior = _Behavior(self, method[:_LOGGED_METHOD], label, handler)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(behavior.stream)
        return grpc.stream_unary_rpc_method_handler(behavior)


class _Behavior:
    """One call's method as gRPC sees it: bytes in, bytes out, always with an iterator of requests.

    Reading and parsing inside gives requests that cannot be read a log line and a status too.
    """

    def __init__(self, calls: Calls, method: str, label: str, handler: Handler) -> None:
        self.calls = calls
        self.method = method
        self.label = label
        self.arrived = time.monotonic()
        self.request_bytes = 0
        self._handler = handler
        self._function: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        self.experimental_thread_pool = getattr(self._function, "experimental_thread_pool", None)

    def __call__(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        with _Call(self, context):
            return self._serialize(self._function(self._request(requests, context), context))

    def stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Handle a call with many replies."""
        with _Call(self, context):
            for reply in self._function(self._request(requests, context), context):
                yield self._serialize(reply)

    def _request(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        if self._handler.request_streaming:
            return map(self._parse, requests)
        for request in requests:
            return self._parse(request)
        return context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call sent no request message")

    def _parse(self, request: bytes) -> Any:
        self.request_bytes += len(request)
        parse = self._handler.request_deserializer
        try:
            return parse(request) if parse else request
        except DecodeError:
            raise InvalidRequestError(
                "the request is not a message of this method: its bytes cannot be parsed"
            ) from None

    def _serialize(self, reply: Any) -> bytes:
        serialize = self._handler.response_serializer
        serialized = serialize(reply) if serialize else reply
        if not isinstance(serialized, bytes):
            raise TypeError(f"the handler replied with {type(reply).__name__}, not with a message")
        return serialized


class _Call:
    """One call: turns errors into statuses, adds the reply's metadata, logs and counts it."""

    def __init__(self, behavior: _Behavior, context: grpc.ServicerContext) -> None:
        self._behavior = behavior
        self._log = behavior.calls.log
        self._context = context
        self._started = time.monotonic()
        self._id = _choose_id(context)

    def __enter__(self) -> Self:
        request_id.set(self._id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if isinstance(error, GeneratorExit) or not self._context.is_active():
            self._write("CANCELLED")
            return
        own = tuple(self._context.trailing_metadata() or ())
        ours = ((REQUEST_ID, self._id), (RELEASE, self._log.release))
        self._context.set_trailing_metadata(own + ours)
        chosen = cast(_Outcome, self._context).code()
        if error is None or _is_abort(error, chosen):
            self._write((chosen or grpc.StatusCode.OK).name)
        elif isinstance(error, InvalidRequestError):
            self._write("INVALID_ARGUMENT", reason=str(error))
            self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        else:
            self._write("INTERNAL", error)
            self._context.abort(
                grpc.StatusCode.INTERNAL,
                f"the server failed on this call: its log has the reason under {self._id}",
            )

    def _write(self, code: str, error: BaseException | None = None, **fields: object) -> None:
        now = time.monotonic()
        behavior = self._behavior
        behavior.calls.metrics.end(behavior.label, code, now - behavior.arrived)
        fields = {
            "request_id": self._id,
            "method": behavior.method,
            "code": code,
            "duration_ms": round((now - self._started) * 1000, 3),
            "request_bytes": behavior.request_bytes,
        } | fields
        if code == "OK":
            self._log.soon("call", **fields)
            return
        # Not for every call: gRPC lets go of Python's one lock to look it up.
        fields["peer"] = self._context.peer()
        if error is not None:
            self._log.failure("call", error, **fields)
        elif code == "RESOURCE_EXHAUSTED":
            self._log.warning("call", **fields)
        else:
            self._log.info("call", **fields)


def _choose_id(context: grpc.ServicerContext) -> str:
    """Take the caller's id when it is a plain one, so that both sides log the same."""
    for key, value in context.invocation_metadata():
        if key == REQUEST_ID and isinstance(value, str) and _ACCEPTED_ID.fullmatch(value):
            return value
    return f"{_OWN_IDS}{next(_numbers):08x}"


def _is_abort(error: BaseException, chosen: grpc.StatusCode | None) -> bool:
    """Tell a handler's context.abort(): it raises a bare Exception once the status is set."""
    return type(error) is Exception and not error.args and chosen is not None
