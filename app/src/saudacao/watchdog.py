"""Tells systemd that the server answers; one that no longer does is ended and started again.

A process that runs is not a server that answers: the one thread that takes gRPC's calls may wait
for something for good. So the server calls its own health, over a socket that its own user alone
may open and that needs no certificate.
"""

import tempfile
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
from grpc_health.v1 import health

from saudacao.logs import Log
from saudacao.notify import notify

# Attempts to answer that a server gets before systemd gives it up.
ATTEMPTS = 3
METHOD = f"/{health.SERVICE_NAME}/Check"
# What comes back when nothing does; every other status is an answer.
SILENCE = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


class Watchdog:
    """Asks `server`, which must not have started yet, and gives it `seconds` to answer.

    Raises OSError when there is no room for the socket.
    """

    def __init__(self, server: grpc.Server, seconds: float, log: Log) -> None:
        self._log = log
        self._seconds = seconds
        self._folder = tempfile.TemporaryDirectory(prefix="saudacao-")
        self._address = f"unix:{Path(self._folder.name) / 'own'}"
        server.add_insecure_port(self._address)
        self._ended = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Have systemd wait for a sign of life from now on, and give it."""
        notify(f"WATCHDOG_USEC={round(self._seconds * 1e6)}")
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; before the process ends, since gRPC outlives no thread that calls it."""
        self._ended.set()
        self._thread.join(self._seconds / ATTEMPTS)

    def _watch(self) -> None:
        pause = self._seconds / ATTEMPTS
        while not self._ended.is_set():
            if (silence := self._silence(pause)) is None:
                notify("WATCHDOG=1")
                self._ended.wait(pause)
            elif not self._ended.is_set():
                self._log.failure("silent", message=f"the server does not answer: {silence}")

    def _silence(self, timeout: float) -> str | None:
        """Say why no answer came within `timeout` seconds, or None."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel: Any = grpc.insecure_channel(self._address, options)
        with channel:
            try:
                channel.unary_unary(METHOD)(b"", timeout=timeout)
            except grpc.RpcError as error:
                return error.details() if error.code() in SILENCE else None
        return None
