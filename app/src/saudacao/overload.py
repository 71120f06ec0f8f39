"""Admission: a bounded number of calls, and answers for health when there is no room left."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from saudacao.handlers import Handler
from saudacao.health import is_health
from saudacao.metrics import BUSY, UNKNOWN_METHOD, Metrics
from saudacao.workers import Workers

# Threads that answer health checks and refusals, and the calls that may wait for them before
# gRPC itself refuses, health checks too. Their work is short, so that few do for many.
CONTROL_THREADS = 8
CONTROL_QUEUE = 4096


class Admission:
    """Decides where a call runs: on the workers, or, refused or about health, beside them.

    gRPC asks interceptors from one thread and submits the call before it asks for the next, so
    looking at the pool and taking its place cannot be torn apart.
    """

    def __init__(self, workers: Workers, control: ThreadPoolExecutor, metrics: Metrics) -> None:
        self._workers = workers
        self._control = control
        self._metrics = metrics
        self._unknown = self._refusal(
            grpc.StatusCode.UNIMPLEMENTED, "this server has no such method"
        )
        self.busy = self._refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the server is busy: {workers.capacity} calls are in progress or waiting, which is "
            "its limit; try again later",
        )

    def handler(self, method: str, own: Handler | None) -> Handler:
        """Return the method's handler `own`; without one count a refusal, and return that."""
        if own is None:
            self._metrics.refuse(UNKNOWN_METHOD)
            return self._unknown
        return self._beside(own) if is_health(method) else own

    def has_room(self) -> bool:
        """Tell whether one more call can be taken; count it as refused if not."""
        if self._workers.full:
            self._metrics.refuse(BUSY)
            return False
        return True

    def _refusal(self, code: grpc.StatusCode, reason: str) -> Handler:
        def refuse(_: Any, context: grpc.ServicerContext) -> bytes:
            return context.abort(code, reason)

        # A streaming handler starts without waiting for the request.
        return grpc.stream_unary_rpc_method_handler(_Beside(refuse, self._control))

    def _beside(self, handler: Handler) -> Handler:
        if handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _Beside(handler.unary_unary, self._control),
            handler.request_deserializer,
            handler.response_serializer,
        )


class _Beside:
    """A behavior that gRPC runs on the pool which it names."""

    def __init__(self, function: Any, pool: ThreadPoolExecutor) -> None:
        self._function = function
        self.experimental_thread_pool = pool

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._function(request, context)
