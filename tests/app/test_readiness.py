"""HTTP GET /ready: what load balancers are told, and that no caller of it holds up another.

And GET /metrics, for callers on the same host.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from saudacao.readiness import CONNECTIONS, PATIENCE, Readiness

from tests.app.conftest import Serve, Spawn
from tests.app.running import ServerProcess, dial, until
from tests.app.test_lifecycle import begin, plain
from tests.app.test_server import complaint
from tests.app.trial import Trial

FIGURES = "figures\n"
BIG = "x" * 8_000_000

# Asks for both on an address of this host and on one of its loopback.
ASK = """
import sys, http.client
for host in ("192.0.2.1", "127.0.0.1", "::1"):
    for path in ("/ready", "/metrics"):
        connection = http.client.HTTPConnection(host, int(sys.argv[1]), timeout=10)
        connection.request("GET", path)
        print(connection.getresponse().status)
"""


def listen(
    is_ready: Callable[[], bool] = lambda: True, figures: Callable[[], str] | None = None
) -> int:
    readiness = Readiness(0, is_ready, figures)
    readiness.start()
    return readiness.port


def ask(
    port: int, path: str = "/ready", method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, bytes]:
    """Return the status and the body."""
    connection = HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ready(server: ServerProcess) -> int:
    """Return the status that a server's process gives."""
    return ask(server.log.lines("readiness")[0]["port"])[0]


def say(port: int, request: bytes) -> bytes:
    """Send plain bytes and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(request)
        return b"".join(iter(lambda: peer.recv(4096), b""))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_ready_is_said_on_every_address(host: str) -> None:
    assert ask(listen(), host=host) == (200, b"ready\n")


def test_not_ready_is_said_while_it_is_so() -> None:
    port = listen(iter([False, True]).__next__)
    assert ask(port) == (503, b"not ready\n")
    assert ask(port) == (200, b"ready\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/ready", 200),
        ("GET", "/ready?from=balancer", 200),
        ("GET", "/", 404),
        ("GET", "/ready/", 404),
        ("POST", "/", 404),
        ("POST", "/ready", 405),
        ("DELETE", "/ready", 405),
    ],
)
def test_anything_else_is_refused(method: str, path: str, status: int) -> None:
    assert ask(listen(), path, method)[0] == status


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_figures_are_told_to_this_host(host: str) -> None:
    port = listen(lambda: False, lambda: FIGURES)
    assert ask(port, "/metrics", host=host) == (200, FIGURES.encode())
    assert ask(port, "/metrics?a", "HEAD", host) == (200, b"")
    assert ask(port, "/metrics", "POST", host)[0] == 405
    assert ask(port, host=host)[0] == 503


def test_without_figures_there_are_none() -> None:
    assert ask(listen(), "/metrics")[0] == 404


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_the_figures_are_told_to_nobody_else(spawn: Spawn) -> None:
    """In a network of its own, where the host has an address that is not of its loopback."""
    script = 'ip link set lo up && ip address add 192.0.2.1/32 dev lo && exec "$@"'
    server = spawn("unshare", "--net", "sh", "-c", script, "sh", readiness_port=0)
    server.ready()
    port = server.log.lines("readiness")[0]["port"]
    inside = ["nsenter", "--net", "--target", str(server.process.pid), sys.executable, "-c", ASK]
    done = subprocess.run([*inside, str(port)], check=True, capture_output=True, timeout=20)
    assert done.stdout.split() == [b"200", b"404", b"200", b"200", b"200", b"200"]


def test_a_caller_that_reads_slowly_gets_all_and_holds_up_nobody() -> None:
    port = listen(figures=lambda: BIG)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(10) == b"HTTP/1.1 2"
        assert ask(port)[0] == 200
        rest = b"".join(iter(lambda: peer.recv(1 << 20), b""))
    assert len(rest.partition(b"\r\n\r\n")[2]) == len(BIG)


def test_figures_that_cannot_be_told_leave_the_rest_in_order() -> None:
    port = listen(figures=lambda: json.loads("no JSON"))
    assert say(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
    assert ask(port)[0] == 200


def test_head_has_no_body_and_says_how_long_it_would_be() -> None:
    reply = say(listen(), b"HEAD /ready HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"Content-Length: 6\r\n" in reply
    assert reply.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET /ready HTTP/2.0\r\n\r\n", b"x" * 5000]
)
def test_what_is_no_request_is_a_bad_one(request_: bytes) -> None:
    assert say(listen(), request_).startswith(b"HTTP/1.1 400 ")


def test_a_request_may_come_in_pieces_and_bring_more_than_is_read() -> None:
    with socket.create_connection(("127.0.0.1", listen()), timeout=10) as peer:
        for part in (b"POST /ready HT", b"TP/1.1\r\nContent-Le", b"ngth: 99999\r\n\r\n"):
            peer.sendall(part)
            time.sleep(0.02)
        peer.sendall(b"x" * 99999)
        assert peer.recv(4096).startswith(b"HTTP/1.1 405 ")


def test_callers_that_say_nothing_keep_nobody_from_an_answer_and_are_sent_away() -> None:
    port = listen()
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(2 * CONNECTIONS)
        ]
        began = time.monotonic()
        assert ask(port)[0] == 200
        assert silent[0].recv(1) == b""  # it made room for a later one
        assert time.monotonic() - began < PATIENCE / 2
        silent[-1].sendall(b"GET /rea")
        assert [peer.recv(1) for peer in silent] == [b""] * len(silent)


def test_a_taken_port_is_an_error_that_names_it(spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = spawn(readiness_port=port)
        assert f"cannot listen on port {port} for /ready" in complaint(server)
    assert server.process.returncode == 3


def test_a_bad_port_is_named_by_its_own_key(spawn: Spawn) -> None:
    server = spawn(readiness_port="x")
    assert complaint(server).startswith("READINESS_PORT='x' is refused: ")
    assert server.process.returncode == 2


def test_a_server_is_ready_until_it_is_told_to_stop(spawn: Spawn) -> None:
    server = spawn(readiness_port=0, stop_grace=10)
    with dial(plain(server.ready())) as channel:
        assert ready(server) == 200
        call = begin(channel, server, 1.5)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: ready(server) == 503)
        assert call.result(timeout=10) == b"1.5"
    assert server.ended(timeout=5) == 0


def test_a_server_that_drains_is_not_ready_and_is_again_when_that_is_taken_back(
    spawn: Spawn,
) -> None:
    server = spawn(readiness_port=0)
    with dial(plain(server.ready())) as channel:
        begin(channel, server, 0)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: ready(server) == 503)
        server.process.send_signal(signal.SIGUSR2)
        until(lambda: ready(server) == 200)


def test_without_a_port_there_is_no_readiness(spawn: Spawn) -> None:
    server = spawn()
    server.ready()
    assert server.log.lines("readiness") == []


def test_a_server_whose_handlers_hang_is_not_ready_until_one_is_free(start: Serve) -> None:
    trial = Trial()
    server = start(trial.register, max_workers=2, max_queue=1, max_stall=0.3)
    port = listen(lambda: server.parts.ready)
    with server.channel() as channel:
        block = channel.unary_unary("/trial.Trial/Block")
        calls = [block.future(b"", timeout=30)]
        assert trial.entered.acquire(timeout=10)
        time.sleep(0.4)
        assert ask(port)[0] == 200  # one worker is free
        calls.append(block.future(b"", timeout=30))
        until(lambda: ask(port)[0] == 503)
        assert server.parts.workers.stalled > 0.3
        trial.release.set()
        assert [call.result(timeout=10) for call in calls] == [b"", b""]
        until(lambda: ask(port)[0] == 200)


def test_a_busy_server_whose_calls_end_stays_ready(start: Serve) -> None:
    server = start(Trial().register, max_workers=2, max_queue=20, max_stall=0.4)
    port = listen(lambda: server.parts.ready)
    with server.channel() as channel:
        sleep = channel.unary_unary("/trial.Trial/Sleep")
        calls = [sleep.future(b"0.1", timeout=30) for _ in range(20)]
        until(lambda: server.parts.workers.held > 2)
        seen = set()
        while server.parts.workers.held >= 2:
            seen.add(ask(port)[0])
        assert seen == {200}
        assert {call.result(timeout=10) for call in calls} == {b"0.1"}
