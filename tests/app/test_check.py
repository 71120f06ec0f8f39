"""The check that a host runs on its own release, as the command it is."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import grpc
import pytest
from saudacao import greeter
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

from tests.app.conftest import Serve
from tests.app.pki import SERVER_NAME, Authority
from tests.app.running import ROOT, Running, distribution
from tests.app.trial import Trial

REFUSED = "--refused-without-certificate"


def check(port: int, *options: object) -> subprocess.CompletedProcess[str]:
    address = ("--address", f"127.0.0.1:{port}", "--timeout", "3")
    command = [sys.executable, "-I", "-m", "saudacao.check", *address, *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def check_answers(port: int, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Check a plaintext server of the greeter or the trial with a release's settings."""
    environment = os.environ | {f"SERVER_{key}": value for key, value in settings.items()}
    environment["PYTHONPATH"] = f"{ROOT}:{distribution(folder)}"
    address = ("--plaintext", "--address", f"127.0.0.1:{port}", "--timeout", "2")
    command = [sys.executable, "-m", "saudacao.check", *address]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30, env=environment
    )


def files(
    authority: Authority, name: str = SERVER_NAME, pair: str = "server"
) -> tuple[object, ...]:
    folder = authority.folder
    own = ("--certificate-file", folder / f"{pair}.crt", "--key-file", folder / f"{pair}.key")
    return ("--server-name", name, "--ca-file", folder / "ca.crt", *own)


def assert_failed(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def server(start: Serve, authority: Authority) -> Running:
    return start(tls_directory=authority.folder)


class Rude(saudacao_pb2_grpc.SaudacaoServiceServicer):
    """A greeter that is ready and greets wrong, or does not come to it."""

    def __init__(self, *, hangs: bool) -> None:
        self.free = threading.Event()
        if not hangs:
            self.free.set()

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        del context
        self.free.wait(30)
        return saudacao_pb2.Resposta(texto=f"Oi, {request.nome}!")

    def register(self, server: grpc.Server) -> tuple[str, ...]:
        saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(self, server)
        return ("saudacao.v1.SaudacaoService",)


@contextmanager
def unlike() -> Iterator[int]:
    """Something that listens and closes every connection at once."""
    with create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_serving_server_passes(server: Running, authority: Authority) -> None:
    done = check(server.port, *files(authority))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"127.0.0.1:{server.port} is SERVING\n"


def test_a_plaintext_server_passes_when_asked_for(start: Serve) -> None:
    assert check(start().port, "--plaintext").returncode == 0


def test_a_draining_server_does_not_pass(server: Running, authority: Authority) -> None:
    server.parts.health.announce(serving=False)
    assert_failed(check(server.port, *files(authority)), "its health is NOT_SERVING")


def test_a_server_that_lacks_the_service_does_not_pass(
    server: Running, authority: Authority
) -> None:
    done = check(server.port, *files(authority), "--service", "none.Such")
    assert_failed(done, "NOT_FOUND")


def test_another_servers_name_does_not_pass(server: Running, authority: Authority) -> None:
    done = check(server.port, *files(authority, "other.internal"))
    assert_failed(done, "the server's certificate is for other.internal")


def test_an_expired_certificate_does_not_pass(server: Running, authority: Authority) -> None:
    authority.issue("client", days=-0.5)
    done = check(server.port, *files(authority, pair="client"))
    assert_failed(done, "has not expired")


def test_a_closed_port_does_not_pass(authority: Authority) -> None:
    assert_failed(check(1, *files(authority)), "Connection refused")


def test_files_that_are_missing_are_named(server: Running, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("x")
    nowhere = tmp_path / "none.crt"
    own = ("--certificate-file", nowhere, "--key-file", nowhere)
    done = check(server.port, "--ca-file", tmp_path / "ca.crt", *own)
    assert_failed(done, str(nowhere))


def test_a_server_with_mutual_tls_refuses_without_certificate(
    server: Running, authority: Authority
) -> None:
    done = check(server.port, *files(authority), REFUSED)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_that_takes_everybody_does_not_refuse(authority: Authority) -> None:
    pair = [(authority.folder / f"server.{suffix}").read_bytes() for suffix in ("key", "crt")]
    lax = grpc.server(ThreadPoolExecutor(1))
    port = lax.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pair[0], pair[1])]))
    lax.start()
    done = check(port, *files(authority), REFUSED)
    lax.stop(0).wait()
    assert_failed(done, "accepts callers without a certificate")


def test_a_plaintext_server_is_no_proof_of_a_refusal(start: Serve, authority: Authority) -> None:
    done = check(start(Trial().register).port, *files(authority), REFUSED)
    assert_failed(done, "not reached")


def test_a_closed_port_is_no_proof_of_a_refusal(authority: Authority) -> None:
    assert_failed(check(1, *files(authority), REFUSED), "not reached")


def test_a_server_that_hangs_up_on_everybody_is_no_proof_of_a_refusal(
    authority: Authority,
) -> None:
    with unlike() as port:
        assert_failed(check(port, *files(authority), REFUSED), "not reached")


def test_a_server_that_refuses_this_certificate_too_is_no_proof_of_a_refusal(
    server: Running, authority: Authority
) -> None:
    authority.issue("client", days=-0.5)
    done = check(server.port, *files(authority, pair="client"), REFUSED)
    assert_failed(done, "refuses callers with this certificate too")


@pytest.mark.parametrize("settings", [{"RELEASE": "r1"}, {"SERVICE": "saudacao"}])
def test_a_release_that_answers_right_passes(
    start: Serve, tmp_path: Path, settings: dict[str, str]
) -> None:
    running = start()
    done = check_answers(running.port, tmp_path, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    (called,) = running.log.calls("OK")
    assert called["method"] == "/saudacao.v1.SaudacaoService/Saudar"


def test_a_release_that_answers_wrong_does_not_pass(start: Serve, tmp_path: Path) -> None:
    running = start(Rude(hangs=False).register)
    done = check_answers(running.port, tmp_path, RELEASE="r1")
    assert_failed(done, "Leonardo is greeted with 'Oi, Leonardo!', not with 'Olá, Leonardo!'")


def test_a_release_whose_answer_does_not_come_does_not_pass(
    start: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rude = Rude(hangs=True)
    running = start(rude.register)
    monkeypatch.setattr(greeter, "CHECK_DEADLINE", 0.2)
    with running.channel() as channel, pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        greeter.check(channel)
    done = check_answers(running.port, tmp_path, RELEASE="r1")
    rude.free.set()
    assert_failed(done, "no end after 2 s")


def test_a_check_without_a_deadline_is_ended(start: Serve, tmp_path: Path) -> None:
    trial = Trial()
    running = start(trial.register)
    done = check_answers(running.port, tmp_path, RELEASE="r1", SERVICE="trial")
    trial.release.set()
    assert_failed(done, "its service's own check says: no end after 2 s")


def test_another_release_on_the_port_does_not_pass(start: Serve, tmp_path: Path) -> None:
    done = check_answers(start().port, tmp_path, RELEASE="r2")
    assert_failed(done, "release r1 answers there, not r2")


def test_a_service_without_a_check_passes_by_its_health(start: Serve, tmp_path: Path) -> None:
    running = start(Rude(hangs=False).register)
    assert check_answers(running.port, tmp_path, RELEASE="r2", SERVICE="other").returncode == 0
    assert check_answers(running.port, tmp_path).returncode == 0
    assert running.log.calls("OK") == []


@pytest.mark.parametrize(
    "options", [(), ("--ca-file", "x"), ("--plaintext", "--ca-file", "x"), ("--plaintext", REFUSED)]
)
def test_bad_usage_is_exit_code_2(options: tuple[str, ...]) -> None:
    assert check(1, *options).returncode == 2
