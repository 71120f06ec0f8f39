"""The server's process: how it starts, and how it says that it cannot."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from saudacao.client import Config

from tests.app.conftest import Spawn
from tests.app.pki import Authority
from tests.app.running import ServerProcess, dial, greet


def complaint(server: ServerProcess) -> str:
    """The one line that a server leaves which does not start."""
    server.ended(timeout=20)
    (line,) = server.log.lines()
    assert (line["event"], line["level"]) == ("failed", "error")
    assert line["exit_code"] == server.process.returncode
    return str(line["message"])


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("port", "abc", "valid integer"),
        ("port", 70000, "less than or equal to 65535"),
        ("max_workers", 0, "greater than or equal to 1"),
        ("max_connection_age", "soon", "valid number"),
        ("release", "../x", "should match pattern"),
        ("reflection", "perhaps", "valid boolean"),
    ],
)
def test_a_bad_value_is_named_with_its_key(spawn: Spawn, key: str, value: Any, why: str) -> None:
    server = spawn(**{key: value})
    message = complaint(server)
    assert f"SERVER_{key.upper()}='{value}' is refused: " in message
    assert why in message
    assert server.process.returncode == 2


def test_every_bad_value_is_named_at_once(spawn: Spawn) -> None:
    message = complaint(spawn(port="x", max_workers="y"))
    assert "SERVER_PORT='x'" in message
    assert "SERVER_MAX_WORKERS='y'" in message


def test_a_misspelt_setting_is_refused_with_the_right_one(spawn: Spawn) -> None:
    server = spawn(max_worker=3)
    assert "did you mean SERVER_MAX_WORKERS?" in complaint(server)
    assert server.process.returncode == 2


def test_an_empty_setting_is_one_that_is_not_set(spawn: Spawn) -> None:
    spawn(max_workers="", tls_directory="", plaintext="true").ready()


@pytest.mark.parametrize(("tls", "plaintext"), [("", "false"), ("/etc/tls", "true")])
def test_either_tls_or_plaintext_has_to_be_asked_for(
    spawn: Spawn, tls: str, plaintext: str
) -> None:
    server = spawn(tls_directory=tls, plaintext=plaintext)
    assert "SERVER_PLAINTEXT=true" in complaint(server)
    assert server.process.returncode == 2


def test_an_unknown_service_is_refused_with_those_installed(spawn: Spawn) -> None:
    server = spawn(service="none")
    message = complaint(server)
    assert "SERVER_SERVICE='none'" in message
    assert "saudacao, trial" in message
    assert server.process.returncode == 2


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")]
)
def test_a_taken_port_is_an_error_that_names_it(spawn: Spawn, family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        server = spawn(port=port)
        assert f"cannot listen on port {port}" in complaint(server)
    assert server.process.returncode == 3


def test_a_second_server_does_not_share_the_port_of_the_first(spawn: Spawn) -> None:
    port = spawn().ready()
    environment = os.environ | {"SERVER_PLAINTEXT": "true", "SERVER_PORT": str(port)}
    second = subprocess.run(
        [sys.executable, "-m", "saudacao.server"],
        env=environment,
        check=False,
        capture_output=True,
        timeout=20,
    )
    assert second.returncode == 3


@pytest.mark.parametrize("file", ["ca.crt", "server.crt", "server.key"])
def test_an_unreadable_certificate_is_an_error_that_names_it(
    spawn: Spawn, authority: Authority, file: str
) -> None:
    (authority.folder / file).write_text("nonsense")
    server = spawn(tls_directory=authority.folder)
    assert file in complaint(server)
    assert server.process.returncode == 4


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "localhost"])
def test_a_server_listens_on_ipv6_and_ipv4(spawn: Spawn, address: str) -> None:
    port = spawn(service="saudacao").ready()
    with dial(Config(f"{address}:{port}", "")) as channel:
        assert greet(channel) == "Olá, Leonardo!"


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_a_server_listens_where_ipv6_is_off(spawn: Spawn) -> None:
    """In a network of its own."""
    script = 'ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && exec "$@"'
    server = spawn("unshare", "--net", "sh", "-c", script, "sh", service="saudacao")
    port = server.ready()
    inside = ["nsenter", "--net", "--target", str(server.process.pid), sys.executable]
    check = [*inside, "-m", "saudacao.check", "--plaintext", "--address", f"127.0.0.1:{port}"]
    done = subprocess.run(check, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_everything_a_server_prints_is_json(spawn: Spawn, authority: Authority) -> None:
    server = spawn(tls_directory=authority.folder, figures_seconds=0)
    port = server.ready()
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert stranger.recv(100) == b""
    with dial(authority.config(port)) as channel:
        remark = channel.unary_unary("/trial.Trial/Remark")
        assert remark(b"x", timeout=5, metadata=(("x-request-id", "mine"),)) == b"x"
    server.process.terminate()
    server.ended(timeout=10)
    assert [line["event"] for line in server.log.lines()] == ["ready", "log", "call", "stop"]
    assert [line.get("request_id") for line in server.log.lines()] == [None, "mine", "mine", None]
    assert {line["release"] for line in server.log.lines()} == {"r1"}
