"""The figures of a running server, in the OpenMetrics text format; docs/monitoring.md has each.

What gRPC itself has a name for is called so (gRFC A66), and what Prometheus's own libraries tell
of a process is called as there.
"""

import contextlib
import resource
import time
from collections.abc import Iterator

from saudacao import openmetrics, process, sockets
from saudacao.metrics import BOUNDS
from saudacao.openmetrics import Family
from saudacao.serving import Parts
from saudacao.validity import days_left


class Figures:
    """What a server counts, and how it and its process are at the moment."""

    def __init__(self, parts: Parts, port: int) -> None:
        self._parts = parts
        self._port = port
        self._began = time.time()

    def write(self) -> str:
        """Return the text. What cannot be read, as when no file is left to open, is not in it."""
        return openmetrics.write([*self._calls(), *self._server(), *self._process()])

    def _calls(self) -> Iterator[Family]:
        metrics = self._parts.metrics
        methods = metrics.methods()
        started = Family("grpc_server_call_started", "counter", "Calls that began.")
        for method, counts in methods.items():
            started.add(counts.started, grpc_method=method)
        yield started
        duration = Family(
            "grpc_server_call_duration_seconds",
            "histogram",
            "Time from a call's arrival to its end, waiting for a worker included.",
        )
        for method, counts in methods.items():
            for status, (buckets, total) in counts.ended().items():
                labels = {"grpc_method": method, "grpc_status": status}
                duration.add_histogram(BOUNDS, buckets, total, **labels)
        yield duration
        refused = Family(
            "saudacao_server_calls_refused", "counter", "Calls that reached no handler, by reason."
        )
        for reason, count in metrics.refused().items():
            refused.add(count, reason=reason)
        yield refused

    def _server(self) -> Iterator[Family]:
        parts, workers = self._parts, self._parts.workers
        held = workers.held
        for name, value, text in (
            ("calls_in_flight", held, "Calls that a worker handles or that wait for one."),
            ("calls_limit", workers.capacity, "Calls in flight at which more are refused."),
            ("workers_busy", min(held, workers.size), "Workers that handle a call."),
            ("workers", workers.size, "Workers."),
            ("workers_stalled_seconds", workers.stalled, "How long no worker has become free."),
            ("ready", int(parts.ready), "1 while the server is ready for calls, else 0."),
        ):
            yield Family(f"saudacao_server_{name}", "gauge", text).add(value)
        connections = Family("saudacao_server_connections", "gauge", "Open connections for calls.")
        with contextlib.suppress(OSError):
            connections.add(sockets.count(self._port))
        yield connections
        left = Family(
            "saudacao_server_certificate_left_days",
            "gauge",
            "Days until a certificate in use expires; less than 0 afterwards.",
        )
        for name, end in (parts.certificates.ends if parts.certificates else {}).items():
            left.add(days_left(end), certificate=name)
        yield left
        release = Family("saudacao_server_release", "info", "The release that this server is.")
        yield release.add(1, release=parts.settings.release)

    def _process(self) -> Iterator[Family]:
        cpu = Family("process_cpu_seconds", "counter", "CPU time of the process.")
        yield cpu.add(time.process_time())
        start = Family("process_start_time_seconds", "gauge", "When it began, since 1970.")
        yield start.add(self._began)
        virtual = Family("process_virtual_memory_bytes", "gauge", "Its virtual memory.")
        resident = Family("process_resident_memory_bytes", "gauge", "Its memory in RAM.")
        files = Family("process_open_fds", "gauge", "Its open files, connections included.")
        with contextlib.suppress(OSError):
            memory = process.memory()
            virtual.add(memory.virtual)
            resident.add(memory.resident)
            files.add(sum(1 for _ in (process.PROCESS / "fd").iterdir()))
        yield from (virtual, resident, files)
        most = Family("process_max_fds", "gauge", "Files that it may have open.")
        yield most.add(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
