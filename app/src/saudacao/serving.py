"""Builds the gRPC server out of its parts."""

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import grpc

from saudacao.calls import Calls
from saudacao.connection import KEEPALIVE_TIME, MAX_METADATA_BYTES, Options, keepalive
from saudacao.errors import NO_PORT, StartError
from saudacao.health import Health
from saudacao.logs import Log
from saudacao.metrics import Metrics
from saudacao.overload import CONTROL_QUEUE, CONTROL_THREADS, Admission
from saudacao.services import Register
from saudacao.settings import Settings
from saudacao.tls import Certificates
from saudacao.workers import Workers


class Parts:
    """The collaborators that a server and its lifecycle share."""

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        self.settings = settings
        self.log = log or Log(settings.release)
        self.workers = Workers(settings.max_workers, settings.max_queue)
        self.control = ThreadPoolExecutor(CONTROL_THREADS, thread_name_prefix="control")
        self.health = Health()
        self.metrics = Metrics()
        folder = settings.tls_directory
        self.certificates = None if folder is None else Certificates(folder, self.log)

    @property
    def ready(self) -> bool:
        """Whether the server serves, and a call that comes now gets a worker in time."""
        return self.health.serving and self.workers.stalled < self.settings.max_stall


def create_server(parts: Parts, register: Register) -> tuple[grpc.Server, int]:
    """Return a server that is bound but not started, and its port.

    Raises StartError when the port is taken (exit code 3) or the certificates cannot be used (4).
    """
    settings = parts.settings
    admission = Admission(parts.workers, parts.control, parts.metrics)
    server = grpc.server(
        # gRPC only submits to it, whatever it says that it needs.
        cast(ThreadPoolExecutor, parts.workers),
        interceptors=[Calls(parts.log, parts.metrics, admission)],
        options=_options(settings),
        maximum_concurrent_rpcs=parts.workers.capacity + CONTROL_QUEUE,
    )
    names = register(server)
    parts.health.register(server, names)
    if settings.reflection:
        _add_reflection(server, names)
    return server, _bind(server, settings.port, parts.certificates)


def _add_reflection(server: grpc.Server, names: tuple[str, ...]) -> None:
    # Imported only where it is switched on: it costs a third of the start's time.
    from grpc_health.v1 import health
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection(
        (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )


def _bind(server: grpc.Server, port: int, certificates: Certificates | None) -> int:
    """Bind every address; gRPC takes [::] as IPv6 and IPv4, or as the one that the host has."""
    address = f"[::]:{port}"
    credentials = None if certificates is None else certificates.credentials()
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise StartError(
            f"cannot listen on port {port}: another process has it, or this user may not "
            f"(see `ss -ltnp sport = :{port}`)",
            NO_PORT,
        ) from error


def _options(settings: Settings) -> Options:
    return [
        # Off, or a second server would share the port without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", round(settings.max_connection_age * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_age_grace * 1000)),
        ("grpc.server_handshake_timeout_ms", round(settings.handshake_timeout * 1000)),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # The soft limit refuses at random between the two: one limit is a rule.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME * 1000 // 2),
        *keepalive(),
    ]
