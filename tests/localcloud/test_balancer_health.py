"""Health checks and what they make of a target."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import pytest

from localcloud import network
from localcloud.balancer_health import Check, matches, probe
from localcloud.balancer_rules import Endpoint
from localcloud.balancer_target import CHECKING, HEALTHY, REGISTERING, UNHEALTHY, Target
from localcloud.settings import Settings

LOOPBACK = IPv4Address("127.0.0.1")


@pytest.fixture(autouse=True)
def from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call from here: there is no router."""
    monkeypatch.setattr(network, "router_socket", lambda *_: socket.socket())


@contextmanager
def listening(backlog: int = 1) -> Iterator[int]:
    with socket.socket() as server:
        server.bind((str(LOOPBACK), 0))
        server.listen(backlog)
        yield server.getsockname()[1]


@pytest.fixture
def web() -> Iterator[int]:
    """A server that answers /503 with 503, and so on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.HTTPServer((str(LOOPBACK), 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def wrong(port: int, path: str = "", codes: str = "200") -> str:
    check = Check(str(LOOPBACK), Endpoint(LOOPBACK, port), 5, 0.2, path, codes)
    return probe(Settings(), check)


def test_a_port_that_is_open_is_healthy_by_tcp() -> None:
    with listening() as port:
        assert wrong(port) == ""


def test_a_port_that_is_closed_is_not() -> None:
    with listening() as port:
        pass
    assert "ConnectionRefusedError" in wrong(port)


def test_a_server_that_hangs_is_healthy_by_tcp_only() -> None:
    with listening() as port:
        assert wrong(port) == ""
        assert "no answer within" in wrong(port, "/ready")


def test_what_is_no_http_is_unhealthy_by_http() -> None:
    def greet(server: socket.socket) -> None:
        with server.accept()[0] as caller:
            caller.recv(1024)
            caller.sendall(b"SSH-2.0-nonsense\r\n")

    with socket.socket() as server:
        server.bind((str(LOOPBACK), 0))
        server.listen()
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        assert "BadStatusLine" in wrong(server.getsockname()[1], "/ready")


def test_the_status_must_match(web: int) -> None:
    assert wrong(web, "/200") == ""
    assert wrong(web, "/503") == "status 503 is not in 200"
    assert wrong(web, "/503", "200-299,503") == ""


@pytest.mark.parametrize(
    ("status", "codes", "expected"),
    [(200, "200", True), (204, "200", False), (302, "200-399", True), (404, "200,404", True)],
)
def test_codes_are_numbers_and_ranges(status: int, codes: str, *, expected: bool) -> None:
    assert matches(status, codes) is expected


def after(*outcomes: bool) -> Target:
    target = Target("group", {}, 80)
    for passed in outcomes:
        target.note(2, 3, passed=passed)
    return target


def test_the_first_check_that_passes_makes_a_new_target_healthy() -> None:
    assert after().health == REGISTERING
    assert after(False).health == CHECKING
    assert after(True).health == HEALTHY
    assert after(False, False, True).health == HEALTHY


def test_thresholds_count_checks_in_a_row() -> None:
    assert after(True, False, False).health == HEALTHY
    assert after(True, False, False, True, False, False).health == HEALTHY
    assert after(True, False, False, False).health == UNHEALTHY
    assert after(False, False, False, True).health == UNHEALTHY
    assert after(False, False, False, True, False, True).health == UNHEALTHY
    assert after(False, False, False, True, True).health == HEALTHY
