"""A service that does what handlers of users may do: block, fail, stream, abort."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    GenericHandler = grpc.GenericRpcHandler[Any, Any]
else:
    GenericHandler = grpc.GenericRpcHandler

SERVICE = "trial.Trial"

# What a caller must never read in a reply.
HIDDEN = "words of the handler"


class Hang(GenericHandler):
    """Stops the thread that takes every call, once its method is called."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        if handler_call_details.method == f"/{SERVICE}/Hang":
            time.sleep(3600)


class Numbered(GenericHandler):
    """Has every method, and for each call a handler of its own, which replies with its number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        reply = str(next(self._numbers)).encode()
        return grpc.unary_unary_rpc_method_handler(lambda *_: reply)

    def register(self, server: grpc.Server) -> tuple[str, ...]:
        server.add_generic_rpc_handlers((self,))
        return ()


class Trial:
    """Handlers that exchange plain bytes."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.abandoned = threading.Event()

    def block(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Wait until the test sets `release`; a caller who goes meanwhile sets `abandoned`."""
        context.add_callback(self.abandoned.set)
        self.entered.release()
        self.release.wait(30)
        return request

    def sleep(self, request: bytes, _: object) -> bytes:
        self.entered.release()
        time.sleep(float(request))
        return request

    def whence(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        """Tell the caller which connection it has."""
        return context.peer().encode()

    def fail(self, *_: object) -> bytes:
        raise RuntimeError(HIDDEN)

    def leave(self, *_: object) -> bytes:
        raise SystemExit(HIDDEN)

    def half_fail(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        raise RuntimeError(HIDDEN)

    def abort(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-own", "kept"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "there is no such thing")

    def nothing(self, *_: object) -> None:
        return None

    def remark(self, request: bytes, _: object) -> bytes:
        logging.getLogger("trial").warning("a remark")
        return request

    def count(self, request: bytes, _: object) -> Iterator[bytes]:
        """Reply with 1, 2, ... up to the request; fail after the third."""
        for number in range(int(request)):
            if number == 3:
                raise RuntimeError(HIDDEN)
            yield str(number + 1).encode()

    def join(self, requests: Iterator[bytes], _: object) -> bytes:
        return b"+".join(requests)

    def echo(self, requests: Iterator[bytes], _: object) -> Iterator[bytes]:
        for request in requests:
            if request == b"fail":
                raise RuntimeError(HIDDEN)
            yield request

    def register(self, server: grpc.Server) -> tuple[str, ...]:
        one, many = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        handlers = {
            "Block": one(self.block),
            "Sleep": one(self.sleep),
            "Whence": one(self.whence),
            "Fail": one(self.fail),
            "Leave": one(self.leave),
            "HalfFail": one(self.half_fail),
            "Abort": one(self.abort),
            "Nothing": one(self.nothing),
            "Remark": one(self.remark),
            "Count": many(self.count),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo),
        }
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((Hang(), generic))
        return (SERVICE,)


def register(server: grpc.Server) -> tuple[str, ...]:
    """The entry point for real processes."""
    return Trial().register(server)


def check(channel: Any) -> None:
    """The entry point of a check whose author forgot the deadline."""
    channel.unary_unary(f"/{SERVICE}/Block")(b"")
