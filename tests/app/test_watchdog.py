"""A server that tells systemd that it answers, and is silent once it does not."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.app.conftest import Spawn
from tests.app.running import dial, until
from tests.app.test_lifecycle import plain

SECONDS = 1.5


class Systemd:
    """The end of the notification socket that a service does not see."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def lines(self, timeout: float) -> list[str]:
        """Return the lines of the next message; raises TimeoutError."""
        self.socket.settimeout(timeout)
        return self.socket.recv(4096).decode().splitlines()

    def drop(self) -> None:
        """Forget the messages that have come so far."""
        with suppress(TimeoutError):
            while self.lines(timeout=0.01):
                pass

    def wait_for(self, line: str) -> None:
        while line not in self.lines(timeout=20):
            pass


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    systemd = Systemd(path)
    with systemd.socket:
        yield systemd


def test_a_server_gives_signs_of_life_until_it_hangs(spawn: Spawn, systemd: Systemd) -> None:
    server = spawn(watchdog=SECONDS)
    systemd.wait_for("READY=1")
    systemd.wait_for(f"WATCHDOG_USEC={SECONDS * 1e6:.0f}")
    for _ in range(3):
        assert systemd.lines(timeout=SECONDS) == ["WATCHDOG=1"]
    with dial(plain(server.ready())) as channel:
        hang = channel.unary_unary("/trial.Trial/Hang").future(b"", timeout=30)
        until(lambda: server.log.lines("silent"))
        systemd.drop()
        with pytest.raises(TimeoutError):
            systemd.lines(timeout=2 * SECONDS)
        hang.cancel()


def test_a_busy_server_is_alive(spawn: Spawn, systemd: Systemd) -> None:
    server = spawn(watchdog=SECONDS, max_workers=1, max_queue=0)
    with dial(plain(server.ready())) as channel:
        sleep = channel.unary_unary("/trial.Trial/Sleep").future(b"30", timeout=30)
        systemd.wait_for("READY=1")
        for _ in range(4):
            systemd.wait_for("WATCHDOG=1")
        assert not sleep.done()
    assert not server.log.lines("silent")


def test_a_watchdog_of_zero_is_none(spawn: Spawn, systemd: Systemd) -> None:
    spawn(watchdog=0)
    systemd.wait_for("READY=1")
    with pytest.raises(TimeoutError):
        systemd.lines(timeout=0.5)
