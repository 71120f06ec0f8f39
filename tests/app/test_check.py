"""The check that a host runs on its own release, as the command it is."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import pytest

from tests.app.conftest import Serve
from tests.app.pki import SERVER_NAME, Authority
from tests.app.running import Running
from tests.app.trial import Trial

REFUSED = "--refused-without-certificate"


def check(port: int, *options: object) -> subprocess.CompletedProcess[str]:
    address = ("--address", f"127.0.0.1:{port}", "--timeout", "3")
    command = [sys.executable, "-I", "-m", "saudacao.check", *address, *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


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
    import grpc
    from saudacao.overload import Workers

    pair = [(authority.folder / f"server.{suffix}").read_bytes() for suffix in ("key", "crt")]
    lax = grpc.server(Workers(1, 0))
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


@pytest.mark.parametrize(
    "options", [(), ("--ca-file", "x"), ("--plaintext", "--ca-file", "x"), ("--plaintext", REFUSED)]
)
def test_bad_usage_is_exit_code_2(options: tuple[str, ...]) -> None:
    assert check(1, *options).returncode == 2
