"""The health service: what load balancers, systemd's checks and the switch ask.

Not the servicer that grpcio-health-checking brings: it holds a lock while it sends, and takes the
same lock in the one thread that serves all calls when a watcher has gone. A watcher that comes
while another goes can stop the whole server for good.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from saudacao.handlers import Handler

_STATUSES: Any = health_pb2.HealthCheckResponse
SERVING, NOT_SERVING = _STATUSES.SERVING, _STATUSES.NOT_SERVING
UNKNOWN = _STATUSES.SERVICE_UNKNOWN
_PREFIX = f"/{health.SERVICE_NAME}/"

# Threads that tell watchers. One who reads nothing keeps one of them until its connection ends.
WATCHING_THREADS = 4
# Seconds that watchers get to learn of a change before whoever made it goes on.
TELLING = 1.0


def is_health(method: str) -> bool:
    """Tell whether a full method name is one of the health service's."""
    return method.startswith(_PREFIX)


class _Watcher:
    """A caller of Watch: gets each change of a status, or of several only the latest."""

    def __init__(self, status: Callable[[], int], send: Callable[[Any], None]) -> None:
        self._status = status
        self._send = send
        self._sent: int | None = None
        self._telling = False
        self._choosing = Lock()

    def tell(self) -> None:
        """Send the status, unless it is known or another thread is at it: that one goes on."""
        with self._choosing:
            if self._telling:
                return
            self._telling = True
        while (status := self._next()) is not None:
            self._send(health_pb2.HealthCheckResponse(status=status))

    def _next(self) -> int | None:
        with self._choosing:
            status = self._status()
            self._telling = status != self._sent
            self._sent = status
            return status if self._telling else None


class _Watch:
    """The method Watch as gRPC runs it: on threads of its own, and free of them in between."""

    experimental_non_blocking = True

    def __init__(self, status: Callable[[str], int]) -> None:
        self._status = status
        self._watchers: set[_Watcher] = set()
        self.experimental_thread_pool = ThreadPoolExecutor(
            WATCHING_THREADS, thread_name_prefix="watching"
        )

    def __call__(
        self,
        request: Any,
        context: grpc.ServicerContext,
        send_response_callback: Callable[[Any], None],
    ) -> None:
        watcher = _Watcher(lambda: self._status(request.service), send_response_callback)
        self._watchers.add(watcher)
        if context.add_callback(lambda: self._watchers.discard(watcher)):
            watcher.tell()
        else:
            self._watchers.discard(watcher)

    def tell(self) -> None:
        """Tell all watchers of a change."""
        pool = self.experimental_thread_pool
        wait([pool.submit(watcher.tell) for watcher in tuple(self._watchers)], TELLING)


class Health:
    """One status for the whole server and each of its services; NOT_SERVING at first."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._leaving = False
        self.serving = False
        self.watch = _Watch(lambda service: self._statuses.get(service, UNKNOWN))

    def register(self, server: grpc.Server, names: tuple[str, ...]) -> None:
        """Add the service to `server`; it answers for "" and for each of `names`."""
        self._statuses = dict.fromkeys(("", *names), NOT_SERVING)
        messages = (
            health_pb2.HealthCheckRequest.FromString,
            health_pb2.HealthCheckResponse.SerializeToString,
        )
        methods: dict[str, Handler] = {
            "Check": grpc.unary_unary_rpc_method_handler(self.check, *messages),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch, *messages),
        }
        service = grpc.method_handlers_generic_handler(health.SERVICE_NAME, methods)
        server.add_generic_rpc_handlers((service,))

    def check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answer with the status, which for a server that leaves is NOT_SERVING."""
        status = self._statuses.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "this server has no such service")
        return health_pb2.HealthCheckResponse(status=NOT_SERVING if self._leaving else status)

    def leave(self) -> None:
        """Say NOT_SERVING to whoever asks, and nothing to watchers.

        They are clients with open connections, which are served until they have moved elsewhere.
        Told that this server does not serve, they would fail their calls instead: they make no new
        connection while they have one.
        """
        self.serving = False
        self._leaving = True

    def announce(self, *, serving: bool) -> None:
        """Change the status of all names; who watches and reads nothing does not hold it up."""
        self.serving = serving
        self._leaving = False
        self._statuses = dict.fromkeys(self._statuses, SERVING if serving else NOT_SERVING)
        self.watch.tell()
