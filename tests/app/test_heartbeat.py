"""The figures that a server writes to its log, which are its heartbeat too."""

import time

import pytest
from saudacao.heartbeat import Heartbeat

from tests.app.conftest import Serve, Spawn
from tests.app.pki import Authority
from tests.app.running import Running, until
from tests.app.test_metrics import call


def beat(server: Running) -> Heartbeat:
    return Heartbeat(server.parts, server.port, 60)


def test_a_server_writes_its_figures_as_often_as_asked(spawn: Spawn) -> None:
    server = spawn(figures_seconds=0.3)
    server.ready()
    until(lambda: len(server.log.lines("figures")) >= 4)
    first, *_ = found = server.log.lines("figures")
    assert {line["ready"] for line in found} == {1}
    assert first["release"] == "r1"
    assert first["memory_bytes"] > 2**20
    times = [time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S") for line in (first, found[3])]
    assert time.mktime(times[1]) - time.mktime(times[0]) <= 2


def test_a_server_that_shall_write_none_writes_none(spawn: Spawn) -> None:
    server = spawn(figures_seconds=0)
    server.ready()
    with pytest.raises(AssertionError, match="does not hold"):
        until(lambda: server.log.lines("figures"), timeout=1)


def test_counts_are_those_since_the_last_line(start: Serve) -> None:
    server = start()
    heartbeat = beat(server)
    with server.channel() as channel:
        call(channel, "/nothing.Here/Never")
        counted = heartbeat.figures()
        assert counted["calls_refused"] == 1
        assert counted["connections"] == 1
    again = heartbeat.figures()
    assert again["calls_refused"] == 0
    cpu = again["cpu_seconds"]
    assert isinstance(cpu, float)
    assert cpu < 1


def test_a_server_that_is_not_ready_says_so(start: Serve) -> None:
    server = start()
    server.parts.health.announce(serving=False)
    assert beat(server).figures()["ready"] == 0


def test_days_are_those_of_the_certificate_that_ends_first(
    start: Serve, authority: Authority
) -> None:
    authority.issue("server", days=0.5)
    server = start(tls_directory=authority.folder)
    left = beat(server).figures()["certificate_days_left"]
    assert isinstance(left, float)
    assert 0.4 < left <= 0.5
