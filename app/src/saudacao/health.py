"""The health service: what load balancers, systemd's checks and the switch ask."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from typing_extensions import override

_STATUSES: Any = health_pb2.HealthCheckResponse
SERVING, NOT_SERVING = _STATUSES.SERVING, _STATUSES.NOT_SERVING
_PREFIX = f"/{health.SERVICE_NAME}/"


def is_health(method: str) -> bool:
    """Tell whether a full method name is one of the health service's."""
    return method.startswith(_PREFIX)


class _Servicer(health.HealthServicer):
    """Tells those who ask that it leaves; those who watch go on."""

    leaving = False

    @override
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answer with the status, which for a server that leaves is NOT_SERVING."""
        reply = super().Check(request, context)
        if self.leaving and reply.status == SERVING:
            reply.status = NOT_SERVING
        return reply


class Health:
    """One status for the whole server and each of its services; NOT_SERVING at first.

    The answers come from `pool`, a pool of their own, so that they come when every worker is busy.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._servicer = _Servicer(experimental_thread_pool=pool)
        self._names: tuple[str, ...] = ()
        self.serving = False

    def register(self, server: grpc.Server, names: tuple[str, ...]) -> None:
        """Add the service to `server`; it answers for "" and for each of `names`."""
        self._names = ("", *names)
        self._set(serving=False)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def leave(self) -> None:
        """Say NOT_SERVING to whoever asks, and nothing to watchers.

        They are clients with open connections, which are served until they have moved elsewhere.
        Told that this server does not serve, they would fail their calls instead: they make no new
        connection while they have one.
        """
        self.serving = False
        self._servicer.leaving = True

    def announce(self, *, serving: bool) -> None:
        """Change the status of all names.

        Watchers are told by a thread of its own: one that reads nothing must not hold up a stop.
        """
        self.serving = serving
        self._servicer.leaving = False
        teller = Thread(target=self._set, kwargs={"serving": serving}, daemon=True)
        teller.start()
        teller.join(timeout=1.0)

    def _set(self, *, serving: bool) -> None:
        status = SERVING if serving else NOT_SERVING
        for name in self._names:
            self._servicer.set(name, status)
