"""Admission: a bounded number of calls, and answers for health when there is no room left."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc

from saudacao.handlers import Continuation, Handler, Interceptor
from saudacao.health import is_health
from saudacao.metrics import BUSY, UNKNOWN_METHOD, Metrics

# Threads that answer health checks and refusals, and the calls that may wait for them before
# gRPC itself refuses, health checks too. Their work is short, so that few do for many.
CONTROL_THREADS = 8
CONTROL_QUEUE = 4096


class Workers(ThreadPoolExecutor):
    """A thread pool that knows how many calls it holds: those handled and those waiting."""

    def __init__(self, threads: int, queue: int) -> None:
        super().__init__(threads, thread_name_prefix="worker")
        self.capacity = threads + queue
        self.size = threads
        self._held = 0
        self._moved = 0.0
        self._counting = Lock()

    @property
    def held(self) -> int:
        """The number of calls in the pool."""
        return self._held

    @property
    def full(self) -> bool:
        """Whether one more call would be more than the threads and the queue take."""
        return self._held >= self.capacity

    @property
    def stalled(self) -> float:
        """For how many seconds every thread has been busy and none has become free; or 0."""
        with self._counting:
            return time.monotonic() - self._moved if self._held >= self.size else 0.0

    def submit(self, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Count the call until it is done."""
        with self._counting:
            self._held += 1
            if self._held == self.size:
                self._moved = time.monotonic()
        future = super().submit(*arguments, **keywords)
        future.add_done_callback(self._release)
        return future

    def _release(self, _: Future[Any]) -> None:
        with self._counting:
            self._held -= 1
            if self._held >= self.size:
                self._moved = time.monotonic()


class Admission(Interceptor):
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
        self._busy = self._refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the server is busy: {workers.capacity} calls are in progress or waiting, which is "
            "its limit; try again later",
        )

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the method's handler, or one that refuses the call."""
        handler = continuation(handler_call_details)
        if handler is None:
            self._metrics.refuse(UNKNOWN_METHOD)
            return self._unknown
        if is_health(handler_call_details.method):
            return self._beside(handler)
        if self._workers.full:
            self._metrics.refuse(BUSY)
            return self._busy
        return handler

    def knows(self, handler: Handler) -> bool:
        """Tell whether a handler that came from here is one of a method that there is."""
        return handler is not self._unknown

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
