"""The client's own robustness, on real servers: each part of it is seen to matter."""

import itertools
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from saudacao import client, connection, greeter, robustness
from saudacao.client import Config, ConfigError, connect
from saudacao.robustness import Robustness
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

from tests.app.conftest import Serve, Spawn
from tests.app.pki import Authority
from tests.app.running import COMMAND, Running, greet, serve, until, write_config
from tests.app.test_lifecycle import NOT_SERVING, health, plain
from tests.app.trial import Trial

DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
PLAIN = Robustness(attempts=1, health_checks=False, round_robin=False)


class Unavailable(greeter.Greeter):
    """Is UNAVAILABLE for the first `failures` calls."""

    def __init__(self, failures: int) -> None:
        self.calls = 0
        self.failures = failures

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        self.calls += 1
        if self.calls <= self.failures:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return super().Saudar(request, context)

    def register(self, server: grpc.Server) -> tuple[str, ...]:
        saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(self, server)
        return ()


def dial(config: Config, chosen: Robustness) -> Any:
    return connect(replace(config, robustness=chosen), own_connection=True, robust=True)


def failure(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Running, Running, Config]]:
    """Two servers, and how to dial both."""
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        one, two = (stack.enter_context(serve(folder)) for folder in folders)
        yield one, two, Config(f"ipv4:127.0.0.1:{one.port},127.0.0.1:{two.port}", "")


def shares(config: Config, chosen: Robustness, *servers: Running) -> list[int]:
    """Greet until both connections had their chance, then 20 times; count by server."""
    with dial(config, chosen) as channel:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            greet(channel)
        before = [len(server.log.calls("OK")) for server in servers]
        for _ in range(20):
            greet(channel)
        until(lambda: sum(len(server.log.calls("OK")) for server in servers) == sum(before) + 20)
        return [
            len(server.log.calls("OK")) - count
            for server, count in zip(servers, before, strict=True)
        ]


def test_a_call_is_made_again_while_the_server_is_unavailable(start: Serve) -> None:
    server = start(Unavailable(2).register)
    with dial(server.plain, Robustness()) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    server = start(Unavailable(2).register)
    with dial(server.plain, PLAIN) as channel:
        assert failure(lambda: greet(channel)) is grpc.StatusCode.UNAVAILABLE


def test_a_client_by_hand_makes_a_call_again_and_a_probe_does_not(
    start: Serve, authority: Authority, tmp_path: Path
) -> None:
    for options, code in ((["Ana"], 0), (["--count", "1"], 1)):
        server = start(Unavailable(1).register, tls_directory=authority.folder)
        config = write_config(tmp_path, server.port)
        command = [str(COMMAND), "--config", str(config), *options]
        done = subprocess.run(command, check=False, capture_output=True, timeout=30)
        assert done.returncode == code


def test_retries_stop_when_their_budget_is_spent(start: Serve) -> None:
    service = Unavailable(10**9)
    server = start(service.register)
    with dial(server.plain, Robustness()) as channel:
        for _ in range(20):
            assert failure(lambda: greet(channel)) is grpc.StatusCode.UNAVAILABLE
    assert 20 < service.calls < 30


def test_a_call_whose_caller_named_no_deadline_has_one(start: Serve) -> None:
    trial = Trial()
    server = start(trial.register)
    with dial(server.plain, replace(PLAIN, deadline=0.5)) as bounded, server.channel() as unbounded:
        endless = unbounded.unary_unary("/trial.Trial/Block").future(b"")
        block = bounded.unary_unary("/trial.Trial/Block")
        assert failure(lambda: block(b"")) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not endless.done()
        trial.release.set()


def test_all_addresses_get_calls(pair: tuple[Running, Running, Config]) -> None:
    one, two, config = pair
    assert shares(config, replace(PLAIN, round_robin=True), one, two) == [10, 10]
    assert sorted(shares(config, PLAIN, one, two)) == [0, 20]


def test_a_server_that_says_that_it_does_not_serve_gets_no_calls(
    pair: tuple[Running, Running, Config],
) -> None:
    one, two, config = pair
    one.parts.health.announce(serving=False)
    assert shares(config, Robustness(), one, two) == [0, 20]
    assert shares(config, Robustness(health_checks=False), one, two) == [10, 10]


def test_a_server_that_drains_answers_clients_that_check_its_health(spawn: Spawn) -> None:
    """Their connections move to the next release by age; until then nobody else answers them."""
    server = spawn(service="saudacao", max_connection_age=300)
    config = plain(server.ready())
    with dial(config, Robustness(attempts=1)) as channel, dial(config, PLAIN) as asking:
        greet(channel)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: health(asking) == NOT_SERVING)
        for _ in range(20):
            assert greet(channel) == "Olá, Leonardo!"
            time.sleep(0.02)


class Wire:
    """Carries bytes between callers and a server until it is cut, which nobody is told.

    It ends the first `refuses` connections at once, and takes the first `ignores` without a word.
    """

    def __init__(self, port: int, refuses: int = 0, ignores: int = 0) -> None:
        self._target = port
        self._refuses = refuses
        self._ignored: list[socket.socket] = []
        self._ignores = ignores
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        for number in itertools.count():
            near, _ = self._listener.accept()
            if number < self._refuses:
                near.close()
                continue
            if len(self._ignored) < self._ignores:
                self._ignored.append(near)
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            for ends in itertools.permutations((near, far)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(4096):
                if not self.cut.is_set():
                    target.sendall(part)


def test_a_call_is_made_again_over_another_connection(start: Serve) -> None:
    """As behind a balancer, which has not noticed yet that one of its hosts is gone."""
    server = start()
    with dial(plain(Wire(server.port, refuses=2).port), Robustness()) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    with dial(plain(Wire(server.port, refuses=2).port), PLAIN) as channel:
        assert failure(lambda: greet(channel)) is grpc.StatusCode.UNAVAILABLE


def test_a_server_that_takes_a_connection_and_says_nothing_is_given_up(
    start: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that hangs behind a balancer, which leads the next connection to another."""
    monkeypatch.setattr(robustness, "LONGEST_CONNECT", 0.5)
    server = start()
    with dial(plain(Wire(server.port, ignores=1).port), Robustness()) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    with connect(plain(Wire(server.port, ignores=1).port), own_connection=True) as channel:
        stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
        asked = saudacao_pb2.Mensagem(nome="Leonardo")
        assert failure(lambda: stub.Saudar(asked, timeout=3)) is DEADLINE_EXCEEDED


def test_a_connection_that_is_dead_without_a_word_is_given_up(
    start: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "KEEPALIVE_TIME", 2)
    monkeypatch.setattr(connection, "KEEPALIVE_TIMEOUT", 1)
    trial = Trial()
    wire = Wire(start(trial.register).port)
    config = plain(wire.port)
    with dial(config, replace(PLAIN, keepalive=1)) as quick, dial(config, PLAIN) as patient:
        calls = [
            channel.unary_unary("/trial.Trial/Block").future(b"", timeout=30)
            for channel in (quick, patient)
        ]
        assert trial.entered.acquire(timeout=10)
        assert trial.entered.acquire(timeout=10)
        wire.cut.set()
        assert calls[0].exception(timeout=8).code() is grpc.StatusCode.UNAVAILABLE
        assert not calls[1].done()
        trial.release.set()


def test_the_settings_are_keys_of_the_configuration(tmp_path: Path) -> None:
    path = write_config(tmp_path, 1)
    assert client.load(path).robustness == Robustness()
    text = (
        "attempts = 2\ndeadline = 3\nhealth_checks = false\nround_robin = false\nkeepalive = 30\n"
    )
    path.write_text(path.read_text() + text)
    assert client.load(path).robustness == Robustness(2, 3, False, False, 30)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("attempts = 0", "attempts=0 is refused: it must be 1 to 5"),
        ("attempts = 6", "attempts=6 is refused: it must be 1 to 5"),
        ("attempts = true", "attempts=True in .* is refused: it must be a number"),
        ("deadline = 0", "deadline=0 is refused: it must be more than 0"),
        ("keepalive = 5", "keepalive=5 is refused: servers close connections that ask oftener"),
        ("round_robin = 1", "round_robin=1 in .* is refused: it must be true or false"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = write_config(tmp_path, 1)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ConfigError, match=why):
        client.load(path)
