"""The server's figures in its log, which are its sign of life too."""

import contextlib
import time

from saudacao import process, sockets
from saudacao.beats import Beats
from saudacao.serving import Parts
from saudacao.validity import days_left


class Heartbeat:
    """Writes the event "figures" every `seconds` seconds; the first when it is started."""

    def __init__(self, parts: Parts, port: int, seconds: float) -> None:
        self._parts = parts
        self._port = port
        self._seconds = seconds
        self._refused = 0
        self._cpu = 0.0

    def start(self) -> None:
        """Write from now on, until the process ends."""
        Beats(self._parts.log, self._seconds, self.figures).start()

    def figures(self) -> dict[str, object]:
        """Return the figures of this moment; `calls_refused` and `cpu_seconds` since the last time.

        What cannot be read, as when no file is left to open, is not in it.
        """
        parts, workers = self._parts, self._parts.workers
        refused, cpu = sum(parts.metrics.refused().values()), time.process_time()
        found: dict[str, object] = {
            "ready": int(parts.ready),
            "calls_in_flight": workers.held,
            "calls_refused": refused - self._refused,
            "workers_busy": min(workers.held, workers.size),
            "cpu_seconds": round(cpu - self._cpu, 3),
        }
        self._refused, self._cpu = refused, cpu
        with contextlib.suppress(OSError):
            found["connections"] = sockets.count(self._port)
        with contextlib.suppress(OSError):
            found["memory_bytes"] = process.memory().resident
        if parts.certificates and (ends := parts.certificates.ends.values()):
            found["certificate_days_left"] = days_left(min(ends))
        return found
