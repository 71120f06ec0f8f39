"""A real server process and the signals it obeys."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from saudacao.client import Config

from tests.app.conftest import Spawn
from tests.app.running import ServerProcess, dial, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def plain(port: int) -> Config:
    return Config(f"127.0.0.1:{port}", "")


def begin(channel: Any, server: ServerProcess, seconds: float) -> Any:
    """Begin a call that takes `seconds`, and return it when the server has it."""
    sleep = channel.unary_unary("/trial.Trial/Sleep")
    call = sleep.future(str(seconds).encode(), timeout=30)
    # Calls of one channel are taken in order: this one's reply means that the first has begun.
    assert sleep(b"0", timeout=10) == b"0"
    assert server.process.poll() is None
    return call


def health(channel: Any) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


def seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def test_sigterm_lets_a_call_in_progress_end(spawn: Spawn) -> None:
    server = spawn(stop_grace=10)
    with dial(plain(server.ready())) as channel:
        call = begin(channel, server, 1.5)
        server.process.send_signal(signal.SIGTERM)
        assert call.result(timeout=10) == b"1.5"
    assert server.ended(timeout=5) == 0


def test_sigterm_waits_for_a_call_no_longer_than_the_grace(spawn: Spawn) -> None:
    server = spawn(stop_grace=0.5)
    with dial(plain(server.ready())) as channel:
        call = begin(channel, server, 20)
        server.process.send_signal(signal.SIGTERM)
        assert seconds(lambda: server.ended(timeout=10)) < 4
        assert server.process.returncode == 0
        assert call.exception(timeout=5) is not None
    assert server.log.lines("stop")[0]["abandoned"] == 1


def test_sigint_stops_too(spawn: Spawn) -> None:
    server = spawn()
    server.ready()
    server.process.send_signal(signal.SIGINT)
    assert server.ended(timeout=5) == 0


def test_a_drain_answers_calls_until_the_connections_age_takes_them_away(spawn: Spawn) -> None:
    server = spawn(max_connection_age=2, max_connection_age_grace=10)
    with dial(plain(server.ready())) as channel:
        call = begin(channel, server, 3)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: server.log.lines("drain"))
        assert health(channel) == NOT_SERVING
        assert channel.unary_unary("/trial.Trial/Sleep")(b"0", timeout=5) == b"0"
        assert call.result(timeout=10) == b"3"
        assert server.ended(timeout=10) == 0
    assert server.log.lines("drained")[0]["connections"] == 0


def test_a_drain_without_connections_ends_after_a_quiet_second(spawn: Spawn) -> None:
    server = spawn()
    server.ready()
    server.process.send_signal(signal.SIGUSR1)
    assert seconds(lambda: server.ended(timeout=10)) > 0.7
    assert server.process.returncode == 0


def test_a_drain_is_not_held_up_by_a_peer_that_says_nothing(spawn: Spawn) -> None:
    server = spawn(max_connection_age=0.5, max_connection_age_grace=0.5, handshake_timeout=60)
    with socket.create_connection(("127.0.0.1", server.ready())):
        server.process.send_signal(signal.SIGUSR1)
        assert server.ended(timeout=10) == 0
    assert server.log.lines("drain")[0]["connections"] == 1
    assert server.log.lines("drained")[0]["connections"] == 0


def test_sigusr2_takes_a_drain_back(spawn: Spawn) -> None:
    server = spawn()
    with dial(plain(server.ready())) as channel:
        health(channel)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: health(channel) == NOT_SERVING)
        server.process.send_signal(signal.SIGUSR2)
        until(lambda: health(channel) == SERVING)
    with pytest.raises(subprocess.TimeoutExpired):
        server.ended(timeout=2.5)


def test_sigterm_during_a_drain_is_quick(spawn: Spawn) -> None:
    server = spawn(max_connection_age=300, stop_grace=5)
    with dial(plain(server.ready())) as channel:
        health(channel)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: server.log.lines("drain"))
        server.process.send_signal(signal.SIGTERM)
        assert seconds(lambda: server.ended(timeout=10)) < 4
    assert server.process.returncode == 0


def test_a_signal_during_the_start_is_obeyed_after_it(spawn: Spawn) -> None:
    server = spawn()
    until(lambda: blocked(server.process.pid))
    server.process.send_signal(signal.SIGTERM)
    assert server.ended(timeout=10) == 0
    assert server.log.lines("stop")


def test_every_thread_but_the_one_that_waits_has_the_signals_blocked(spawn: Spawn) -> None:
    server = spawn()
    with dial(plain(server.ready())) as channel:
        health(channel)
        tasks = {int(task.name) for task in Path(f"/proc/{server.process.pid}/task").iterdir()}
        others = tasks - {server.process.pid}
        assert len(others) > 3
        assert all(blocked(thread, server.process.pid) for thread in others)


def blocked(thread: int, process: int | None = None) -> bool:
    status = Path(f"/proc/{process or thread}/task/{thread}/status").read_text()
    mask = int(status.split("SigBlk:")[1].split()[0], 16)
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    return all(mask >> (number - 1) & 1 for number in wanted)


def test_systemd_is_told_ready_once_calls_are_answered_and_never_stopping(
    spawn: Spawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = spawn(watchdog=0)
        first = systemd.recv(1000).decode()
        with dial(plain(server.log.lines("ready")[0]["port"])) as channel:
            assert health(channel) == SERVING
        server.process.send_signal(signal.SIGUSR1)
        second = systemd.recv(1000).decode()
        server.process.send_signal(signal.SIGTERM)
        third = systemd.recv(1000).decode()
    assert first.startswith("READY=1\nSTATUS=serving: release r1")
    assert second.startswith("STATUS=draining")
    assert third.startswith("STATUS=stopping")


def test_calls_under_load_all_end_when_the_server_is_drained(spawn: Spawn) -> None:
    """Clients reconnect by themselves: here there is nobody else, so only the old calls count."""
    server = spawn(max_connection_age=1, max_connection_age_grace=10)
    port = server.ready()
    outcomes: list[grpc.StatusCode] = []
    connections: set[bytes] = set()

    def work() -> None:
        with dial(plain(port)) as channel:
            sleep = channel.unary_unary("/trial.Trial/Sleep")
            whence = channel.unary_unary("/trial.Trial/Whence")
            while not server.log.lines("drain"):
                outcomes.append(sleep.with_call(b"0.01", timeout=10)[1].code())
                connections.add(whence(b"", timeout=10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(connections) > 2 * len(threads))
    server.process.send_signal(signal.SIGUSR1)
    for thread in threads:
        thread.join()
    assert len(outcomes) > 20
    assert set(outcomes) == {grpc.StatusCode.OK}
    assert server.ended(timeout=10) == 0
