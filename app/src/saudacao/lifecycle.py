"""Serves until a signal says otherwise: quick stop, drain, or drain taken back."""

import signal
import time

import grpc

from saudacao import sockets
from saudacao.heartbeat import Heartbeat
from saudacao.notify import notify
from saudacao.serving import Parts
from saudacao.watchdog import Watchdog

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
DRAIN = signal.SIGUSR1
UNDRAIN = signal.SIGUSR2
SIGNALS = STOP | {DRAIN, UNDRAIN}

POLL = 0.25
QUIET_POLLS = 4
DRAIN_MARGIN = 5.0


class Lifecycle:
    """One started server and the signals it obeys; they must be blocked in every thread."""

    def __init__(
        self,
        server: grpc.Server,
        port: int,
        parts: Parts,
        watchdog: Watchdog | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._server = server
        self._port = port
        self._parts = parts
        self._watchdog = watchdog
        self._heartbeat = heartbeat
        self._deadline: float | None = None
        self._quiet = 0

    def run(self) -> None:
        """Serve, and return when the server has stopped."""
        self._server.start()
        self._parts.health.announce(serving=True)
        self._parts.log.info("ready", port=self._port)
        notify("READY=1", self._status("serving"))
        if self._watchdog is not None:
            self._watchdog.start()
        if self._heartbeat is not None:
            self._heartbeat.start()
        while self._obey(self._wait()):
            pass
        self._stop()

    def _wait(self) -> signal.Signals | None:
        if self._deadline is None:
            return signal.Signals(signal.sigwait(SIGNALS))
        received = signal.sigtimedwait(SIGNALS, POLL)
        return signal.Signals(received.si_signo) if received else None

    def _obey(self, received: signal.Signals | None) -> bool:
        """Return whether to go on."""
        if received in STOP:
            return False
        if received == DRAIN and self._deadline is None:
            self._drain()
        elif received == UNDRAIN and self._deadline is not None:
            self._undrain()
        return self._deadline is None or not self._drained(self._deadline)

    def _drain(self) -> None:
        settings = self._parts.settings
        limit = settings.max_connection_age * 1.1 + settings.max_connection_age_grace + DRAIN_MARGIN
        self._deadline = time.monotonic() + limit
        self._quiet = 0
        self._parts.health.leave()
        self._parts.log.info("drain", connections=sockets.count(self._port), limit_s=limit)
        # No STOPPING=1: systemd would send no SIGTERM any more, and a reboot would wait for us.
        notify(self._status("draining"))

    def _undrain(self) -> None:
        self._deadline = None
        self._parts.health.announce(serving=True)
        self._parts.log.info("undrain", connections=sockets.count(self._port))
        notify(self._status("serving"))

    def _drained(self, deadline: float) -> bool:
        """Tell whether no connection was open for a second, or the time is up."""
        left = sockets.count(self._port)
        self._quiet = 0 if left else self._quiet + 1
        if self._quiet < QUIET_POLLS and time.monotonic() < deadline:
            return False
        self._parts.log.info("drained", connections=left)
        return True

    def _stop(self) -> None:
        started = time.monotonic()
        notify(self._status("stopping"))
        if self._watchdog is not None:
            self._watchdog.stop()
        self._parts.health.announce(serving=False)
        self._server.stop(self._parts.settings.stop_grace).wait()
        seconds = round(time.monotonic() - started, 3)
        self._parts.log.info("stop", seconds=seconds, abandoned=self._parts.workers.held)

    def _status(self, what: str) -> str:
        return f"STATUS={what}: release {self._parts.settings.release} on port {self._port}"
