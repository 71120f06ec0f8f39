"""The canary as a process: it calls on and on, counts, and says what went wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from saudacao.canary import Status
from saudacao.logs import Log
from saudacao.probe import Call

from tests.app.conftest import Serve
from tests.app.pki import Authority
from tests.app.running import LogFile, Noting, Running, until, write_config
from tests.app.test_robustness import Unavailable


class Canary:
    """A process that calls twenty times a second."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.path = folder / "status.json"
        self.log = LogFile(folder / "canary.log")
        command = [sys.executable, "-m", "saudacao.canary", "--config", str(config)]
        command += ["--status-file", str(self.path), "--rate", "20"]
        environment = os.environ | {"CLIENT_RELEASE": "c1"}
        with self.log.path.open("wb") as stderr:
            self.process = subprocess.Popen(command, env=environment, stderr=stderr)

    def status(self) -> dict[str, Any]:
        """Return the status; one without calls before there is any."""
        if not self.path.exists():
            return {"calls": 0}
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found


Watch = Callable[[int], Canary]


@pytest.fixture
def watch(tmp_path: Path, authority: Authority) -> Iterator[Watch]:
    """Start canaries that call a port."""
    assert authority.folder == tmp_path / "tls"
    with ExitStack() as stack:

        def watch(port: int) -> Canary:
            canary = Canary(tmp_path, write_config(tmp_path, port))
            stack.callback(canary.process.wait, 10)
            stack.callback(canary.process.kill)
            return canary

        yield watch


@pytest.fixture
def server(start: Serve, authority: Authority) -> Running:
    return start(tls_directory=authority.folder)


def test_it_calls_over_both_kinds_of_connection_and_counts(
    start: Serve, authority: Authority, watch: Watch
) -> None:
    greeter = Noting()
    canary = watch(start(greeter.register, tls_directory=authority.folder).port)
    until(lambda: canary.status()["calls"] > 20)
    status = canary.status()
    assert (status["failed"], status["wrong"], status["release"]) == (0, 0, "c1")
    assert status["releases"] == {"r1": status["calls"]} == {"r1": status["by_status"]["OK"]}
    assert {kind: count["calls"] > 5 for kind, count in status["connections"].items()} == {
        "persistent": True,
        "fresh": True,
    }
    assert 0 < status["latency_ms"]["p50"] <= status["latency_ms"]["max"]
    made = len(greeter.peers)
    until(lambda: canary.status()["calls"] > status["calls"] + 10)
    fresh = canary.status()["connections"]["fresh"]["calls"]
    assert status["connections"]["fresh"]["calls"] <= made <= fresh + 2


def test_two_moments_tell_the_calls_and_failures_between_them(
    start: Serve, authority: Authority, watch: Watch
) -> None:
    service = Unavailable(0)
    canary = watch(start(service.register, tls_directory=authority.folder).port)
    until(lambda: canary.status()["calls"] > 5)
    before = canary.status()
    assert before["failed"] == 0
    service.failures = 10**9
    until(lambda: canary.status()["failed"] > 0)
    service.failures = 0
    after = canary.status()
    assert 0 < after["failed"] - before["failed"] <= after["calls"] - before["calls"]
    assert after["last_failure"]["status"] == "UNAVAILABLE"
    until(lambda: canary.status()["calls"] > after["calls"] + 5)
    failures = canary.log.lines("call")
    assert len(failures) == canary.status()["failed"]
    assert {(line["status"], line["answered_by"], line["level"]) for line in failures} == {
        ("UNAVAILABLE", "r1", "error")
    }


def test_its_figures_are_those_since_the_last_time(tmp_path: Path) -> None:
    log = Log("c1", os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))
    status = Status(tmp_path / "status.json", "127.0.0.1:1", log)
    good = Call("1", "Ana", fresh=True, began=0.0, reply="Olá, Ana!")
    for call in (good, replace(good, failure="it was away", status="UNAVAILABLE")):
        status.add(call)
    assert status.figures() == {"calls": 2, "failed": 1, "wrong": 0}
    status.add(replace(good, reply="Olá, Eva!"))
    assert status.figures() == {"calls": 1, "failed": 0, "wrong": 1}
    assert status.figures() == {"calls": 0, "failed": 0, "wrong": 0}


def test_a_server_that_is_away_is_a_failure_and_no_end(watch: Watch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    canary = watch(port)
    until(lambda: canary.status().get("failed", 0) > 2)
    assert canary.process.poll() is None


def test_sigterm_ends_it_in_order(server: Running, watch: Watch) -> None:
    canary = watch(server.port)
    until(lambda: canary.status()["calls"] > 0)
    canary.process.send_signal(signal.SIGTERM)
    assert canary.process.wait(10) == 0
    assert [line["event"] for line in canary.log.lines()] == ["calling", "figures", "stop"]


def test_a_configuration_that_cannot_be_used_is_named(tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "tls/server.key").unlink()
    canary = watch(1)
    assert canary.process.wait(10) == 2
    (line,) = canary.log.lines("failed")
    assert "server.key cannot be read" in line["message"]


def test_systemd_is_told_when_it_calls(
    server: Running, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        watch(server.port)
        assert systemd.recv(1000).decode().startswith("READY=1\nSTATUS=calling 127.0.0.1:")
