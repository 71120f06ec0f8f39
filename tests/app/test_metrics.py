"""What a server tells of itself, read as Prometheus reads it."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from saudacao import validity
from saudacao.figures import Figures
from saudacao.metrics import BOUNDS, MOST_METHODS, OTHER, Counts, Metrics
from saudacao.openmetrics import Family, write

from tests.app.conftest import Serve, Spawn
from tests.app.pki import Authority
from tests.app.running import Running, dial, greet, until
from tests.app.test_readiness import ask
from tests.app.trial import Trial

DURATION = "grpc_server_call_duration_seconds"
MARKER = "Fulana-de-Tal"


class Figure:
    """The figures in a text, by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        read: Any = text_string_to_metric_families
        self._found = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in read(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return one figure; None when it is not told."""
        return self._found.get((name, frozenset(labels.items())))

    def server(self, name: str, **labels: str) -> float | None:
        return self(f"saudacao_server_{name}", **labels)

    def ended(self, method: str, status: str) -> float | None:
        return self(f"{DURATION}_count", grpc_method=method, grpc_status=status)

    def labels(self, label: str) -> set[str]:
        """Return every value of a label."""
        pairs = [pair for _, labels in self._found for pair in labels]
        return {value for name, value in pairs if name == label}


def told(server: Running) -> Figure:
    return Figure(Figures(server.parts, server.port).write())


def call(channel: Any, method: str, request: bytes = b"") -> None:
    """Make a call, however it ends."""
    try:
        channel.unary_unary(method)(request, timeout=10)
    except grpc.RpcError:
        return


def test_calls_are_counted_by_method_and_status(start: Serve) -> None:
    server = start(Trial().register)
    with server.channel() as channel:
        for method in ("Remark", "Remark", "Abort", "Fail"):
            call(channel, f"/trial.Trial/{method}")
        list(channel.unary_stream("/trial.Trial/Count")(b"2", timeout=10))
    until(lambda: len(server.log.lines("call")) == 5)
    figure = told(server)
    assert figure("grpc_server_call_started_total", grpc_method="trial.Trial/Remark") == 2
    assert figure.ended("trial.Trial/Remark", "OK") == 2
    assert figure.ended("trial.Trial/Abort", "NOT_FOUND") == 1
    assert figure.ended("trial.Trial/Fail", "INTERNAL") == 1
    assert figure.ended("trial.Trial/Count", "OK") == 1


def test_a_call_counts_from_its_arrival_to_its_end(start: Serve) -> None:
    """Two calls of 0.2 s that one worker handles one after another: the second takes 0.4 s."""
    server = start(Trial().register, max_workers=1, max_queue=1)
    with server.channel() as channel:
        sleep = channel.unary_unary("/trial.Trial/Sleep")
        calls = [sleep.future(b"0.2", timeout=10) for _ in range(2)]
        assert [call.result() for call in calls] == [b"0.2"] * 2
    labels = {"grpc_method": "trial.Trial/Sleep", "grpc_status": "OK"}
    figure = told(server)
    assert 0.6 <= (figure(f"{DURATION}_sum", **labels) or 0) < 5
    assert figure(f"{DURATION}_bucket", le="0.16", **labels) == 0
    assert figure(f"{DURATION}_bucket", le="+Inf", **labels) == 2


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.001, "0.001"), (0.0011, "0.002"), (100.0, "100.0"), (101.0, "+Inf")]
)
def test_a_bucket_has_what_took_up_to_its_bound(seconds: float, bucket: str) -> None:
    counts, family = Counts(), Family("a_seconds", "histogram", "A.")
    counts.end("OK", seconds)
    family.add_histogram(BOUNDS, *counts.ended()["OK"])
    figure = Figure(write([family]))
    names = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
    first = next(name for name in names if figure("a_seconds_bucket", le=name))
    assert (first, figure("a_seconds_sum")) == (bucket, seconds)


def test_a_method_that_does_not_exist_is_no_label(start: Serve) -> None:
    server = start(Trial().register)
    with server.channel() as channel:
        for number in range(5):
            call(channel, f"/made.Up/{MARKER}{number}")
    figure = told(server)
    assert figure.ended(OTHER, "UNIMPLEMENTED") == 5
    assert figure.server("calls_refused_total", reason="unknown_method") == 5
    assert figure.labels("grpc_method") == {OTHER}
    assert MARKER not in figure.text


def test_methods_without_end_get_one_label() -> None:
    """As those of a service that takes every name."""
    metrics = Metrics()
    for number in range(2 * MOST_METHODS):
        metrics.counts(f"/any.Any/{number}").started += 1
    started = {label: counts.started for label, counts in metrics.methods().items()}
    assert started.pop(OTHER) == MOST_METHODS
    assert started == {f"any.Any/{number}": 1 for number in range(MOST_METHODS)}


def test_workers_and_refusals_are_told_while_the_server_is_full(start: Serve) -> None:
    trial = Trial()
    server = start(trial.register, max_workers=2, max_queue=1)
    with server.channel() as channel:
        assert told(server).server("workers_busy") == 0
        block = channel.unary_unary("/trial.Trial/Block")
        calls = [block.future(b"", timeout=30) for _ in range(3)]
        until(lambda: server.parts.workers.full)
        call(channel, "/trial.Trial/Remark")
        figure = told(server)
        assert figure.server("calls_in_flight") == figure.server("calls_limit") == 3
        assert figure.server("workers_busy") == figure.server("workers") == 2
        assert (figure.server("workers_stalled_seconds") or 0) > 0
        assert figure.server("calls_refused_total", reason="busy") == 1
        assert figure.ended("trial.Trial/Remark", "RESOURCE_EXHAUSTED") == 1
        trial.release.set()
        assert [call.result() for call in calls] == [b""] * 3
        until(lambda: told(server).server("calls_in_flight") == 0)


def test_the_server_and_its_process_are_told(start: Serve) -> None:
    server = start()
    with server.channel() as one, server.channel() as two:
        greet(one)
        greet(two)
        figure = told(server)
        assert figure.server("connections") == 2
    assert figure.server("release_info", release="r1") == 1
    assert figure.server("ready") == 1
    assert 0 < (figure("process_cpu_seconds_total") or 0) <= time.process_time()
    memory = [figure(f"process_{kind}_memory_bytes") or 0 for kind in ("resident", "virtual")]
    assert 2**20 < memory[0] < memory[1]
    assert 3 < (figure("process_open_fds") or 0) < (figure("process_max_fds") or 0)
    server.parts.health.leave()
    assert told(server).server("ready") == 0


def days(server: Running, name: str) -> float:
    return told(server).server("certificate_left_days", certificate=name) or 0


def test_the_certificates_in_use_are_told(
    start: Serve, authority: Authority, tmp_path: Path
) -> None:
    """New ones from the moment in which they are used; of several CAs the longest-lived."""
    server = start(tls_directory=authority.folder)
    assert 0.9 < days(server, "ca") <= 1
    authority.write_ca(Authority(tmp_path / "other"))
    authority.issue("server", days=30 * 365)  # after 2049, which is written in another way
    assert 0.9 < days(server, "server") <= 1
    with dial(authority.config(server.port)) as channel:
        greet(channel)
    assert 10_949 < days(server, "server") <= 10_950
    assert 0.9 < days(server, "ca") <= 1


def test_an_expired_certificate_has_less_than_no_days(start: Serve, authority: Authority) -> None:
    authority.issue("server", days=-0.5)
    assert -0.6 < days(start(tls_directory=authority.folder), "server") < -0.4


@pytest.mark.parametrize("cut", [0, 20, 200])
def test_what_is_no_certificate_has_no_end(authority: Authority, cut: int) -> None:
    lines = authority.pem.splitlines(keepends=True)
    spoilt = b"".join([lines[0], b"".join(lines[1:-1])[:cut], b"\n", lines[-1]])
    with pytest.raises(ValueError, match=r"."):
        validity.ends(spoilt)


def test_labels_cannot_end_early() -> None:
    text = write([Family("a", "gauge", "A.").add(1, b='"} 5\n\\')])
    assert Figure(text)("a", b='"} 5\n\\') == 1


def test_names_are_in_no_log_and_no_figure(spawn: Spawn, authority: Authority) -> None:
    """A real process's, whatever happens to the call that has the name."""
    server = spawn(
        tls_directory=authority.folder, service="saudacao", readiness_port=0, max_message_bytes=1024
    )
    names = [MARKER, f"{MARKER}\n", MARKER * 30, MARKER * 100, f"{MARKER}\u2028", f"\ud800{MARKER}"]
    with dial(authority.config(server.ready())) as channel:
        greeter = channel.unary_unary("/saudacao.v1.SaudacaoService/Saudar")
        for name in names:
            content = name.encode("utf-8", "surrogatepass")
            length = bytes([len(content) & 0x7F | 0x80, len(content) >> 7])
            metadata = ((f"x-{MARKER}".lower(), MARKER), ("x-request-id", f"{MARKER} "))
            for request in (b"\x0a" + length + content, content):
                outcome = greeter.future(request, timeout=10, metadata=metadata)
                outcome.exception()
    until(lambda: len(server.log.lines("call")) >= 2 * (len(names) - 1))
    port = server.log.lines("readiness")[0]["port"]
    status, text = ask(port, "/metrics")
    server.process.terminate()
    server.ended(timeout=10)
    figure = Figure(text.decode())
    assert status == 200
    assert (figure.ended("saudacao.v1.SaudacaoService/Saudar", "OK") or 0) >= 1
    assert (figure.ended("saudacao.v1.SaudacaoService/Saudar", "INVALID_ARGUMENT") or 0) >= 8
    assert MARKER.lower() not in (figure.text + server.log.text).lower()
