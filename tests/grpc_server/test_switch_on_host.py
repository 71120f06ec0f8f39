"""Switching between releases on a real host, seen by a client that calls all the time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.grpc_server import archives
from tests.grpc_server.calling import call_once, calling
from tests.grpc_server.conftest import Deployment
from tests.grpc_server.host import wait_for

BROKEN = {
    "exits at start": (archives.EXITS, "did not start"),
    "is never ready": (archives.NEVER_READY, "did not start"),
    "fails its check": (archives.READY_BUT_DEAF, "does not answer"),
}


def test_three_switches_lose_no_call_and_the_host_is_ready_all_the_time(
    deployment: Deployment, second: str
) -> None:
    host, first = deployment.host, deployment.release
    with calling(deployment.client) as calls, asking(host.address) as answers:
        for release, old in ((second, first), (first, second), (second, first)):
            host.ask("switch", release)
            host.ask("confirm", release)
            wait_for(partial(host.has_ended, old), "the old release has ended")
    assert calls.lost == []
    assert calls.total > 300
    assert calls.releases == {first, second}
    assert len(answers) > 20
    assert set(answers) == {200}
    in_use = host.ask("status")
    assert in_use["map"]["loaded_readiness_port"] == in_use["release_port"] + 1000
    # The figures of the release in use, to the host itself and to nobody else.
    told = host.run("curl --silent --fail http://localhost:50052/metrics").stdout
    assert f'saudacao_server_release_info{{release="{in_use["release"]}"}} 1' in told
    assert "saudacao_server_connections" in told
    assert "process_resident_memory_bytes" in told
    assert 'saudacao_server_certificate_left_days{certificate="server"}' in told
    assert readiness(host.address, "/metrics") == 404


def test_a_release_that_is_ready_has_precedence_with_all_its_threads(
    deployment: Deployment,
) -> None:
    host = deployment.host
    unit = f"saudacao@{host.ask('status')['release']}"
    pid = f"$(systemctl show {unit} --property=MainPID --value)"
    threads = host.run(f"ps --no-headers -L -o ni --pid {pid}").stdout.split()
    assert len(threads) > 5
    assert set(threads) == {"-5"}


@contextmanager
def asking(address: str) -> Iterator[list[int]]:
    """Ask whether the host is ready, as a load balancer does, until the block ends."""
    answers: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.05):
            answers.append(readiness(address))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def readiness(address: str, path: str = "/ready") -> int:
    """Return the status of one answer; 0 without one."""
    connection = HTTPConnection(address, 50052, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_release_that_cannot_serve_touches_nothing(deployment: Deployment, fault: str) -> None:
    source, reason = BROKEN[fault]
    name = f"0.3.0-{fault.replace(' ', '-')}"
    assert_refused(deployment, archives.broken(deployment.archive, name, source), reason)


def test_a_release_that_is_ready_but_answers_wrong_touches_nothing(
    deployment: Deployment,
) -> None:
    bad = archives.wrong(deployment.archive, "0.3.0-answers-wrong")
    assert_refused(deployment, bad, "greeted with 'Oi, Leonardo!', not with 'Olá, Leonardo!'")


def assert_refused(deployment: Deployment, archive: Path, reason: str) -> None:
    host = deployment.host
    bad = host.install(archive)
    before = host.run("cat /etc/saudacao/active.nft").stdout
    with calling(deployment.client) as calls:
        assert reason in host.refusal("switch", bad)
    assert calls.lost == []
    assert host.run("cat /etc/saudacao/active.nft").stdout == before
    assert host.state(bad) == "inactive"
    assert host.ask("status")["settled"] is True


def test_back_undoes_a_provisional_switch_at_once(deployment: Deployment, second: str) -> None:
    deployment.host.ask("switch", second)
    assert deployment.host.ask("back")["release"] == deployment.release
    assert deployment.host.state(second) == "inactive"
    assert call_once(deployment.client) == "Olá, Leonardo!"


def test_back_after_a_confirmation_loses_no_call(deployment: Deployment, second: str) -> None:
    with calling(deployment.client) as calls:
        deployment.host.ask("switch", second)
        deployment.host.ask("confirm", second)
        assert deployment.host.ask("back")["release"] == deployment.release
        wait_for(partial(deployment.host.has_ended, second), "the other has ended")
    assert calls.lost == []
    assert deployment.host.ask("back")["release"] == second


def test_a_switch_that_nobody_confirms_undoes_itself(deployment: Deployment, second: str) -> None:
    host, old = deployment.host, deployment.release
    with calling(deployment.client) as calls:
        host.ask("switch", second, "--confirm-within", 2)
        seconds = wait_for(lambda: host.ask("status")["release"] == old, "the host has gone back")
        wait_for(lambda: host.ask("status")["settled"], "the host is at rest")
    # The deadline, and a busy machine's way back.
    assert seconds < 2 + 5
    assert calls.lost == []
    assert deployment.host.ask("status")["release"] == deployment.release
    assert "not in use" in deployment.host.refusal("confirm", second)


@pytest.mark.parametrize("offset", [0, 1000])
def test_nobody_outside_reaches_a_release_but_through_the_map(
    deployment: Deployment, offset: int
) -> None:
    port = deployment.host.ask("status")["release_port"] + offset
    with pytest.raises(TimeoutError):
        socket.create_connection((deployment.host.address, port), timeout=1)


def test_a_release_that_is_not_here_is_refused_by_naming_those_that_are(
    deployment: Deployment,
) -> None:
    assert deployment.release in deployment.host.refusal("switch", "9.9.9-none")
