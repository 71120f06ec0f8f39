"""Certificates that change under a live server."""

from pathlib import Path

import grpc
import pytest
from saudacao.errors import StartError

from tests.app.conftest import Serve
from tests.app.pki import Authority, replace
from tests.app.running import Running, dial, greet, until


@pytest.fixture
def server(start: Serve, authority: Authority) -> Running:
    return start(tls_directory=authority.folder)


def test_a_renewed_pair_is_taken_up_without_a_restart(
    server: Running, authority: Authority
) -> None:
    with dial(authority.config(server.port)) as old:
        greet(old)
        authority.issue("server")
        with dial(authority.config(server.port)) as new:
            assert greet(new) == "Olá, Leonardo!"
        assert greet(old) == "Olá, Leonardo!"
    assert [line["message"] for line in server.log.lines("certificates")] == [
        "new certificates are in use"
    ]


def test_an_authority_changes_by_way_of_trusting_both(
    server: Running, authority: Authority, tmp_path: Path
) -> None:
    successor = Authority(tmp_path / "successor")
    authority.write_ca(successor)
    with dial(successor.config(server.port, ca=authority)) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    successor.issue("server", folder=authority.folder)
    with dial(successor.config(server.port)) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    replace(authority.folder / "ca.crt", successor.pem)
    authority.issue("client")
    config = authority.config(server.port, "client", ca=successor)
    with dial(config) as channel, pytest.raises(grpc.RpcError) as caught:
        greet(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("file", ["server.key", "server.crt", "ca.crt"])
def test_a_bad_file_leaves_the_old_pair_in_use_and_the_log_says_so(
    server: Running, authority: Authority, tmp_path: Path, file: str
) -> None:
    authority.issue("client")
    trusted = Authority(tmp_path / "copy")
    replace(trusted.folder / "ca.crt", authority.pem)
    content = b"" if file == "ca.crt" else (trusted.folder / file).read_bytes()
    replace(authority.folder / file, content)
    config = authority.config(server.port, "client", ca=trusted)
    for _ in range(3):
        with dial(config) as channel:
            assert greet(channel) == "Olá, Leonardo!"
    messages = [line["message"] for line in server.log.lines("certificates")]
    assert len(messages) == 1
    assert "new certificates are not used" in messages[0]
    assert file in messages[0]


def test_a_good_pair_after_a_bad_one_is_taken_up(server: Running, authority: Authority) -> None:
    good = (authority.folder / "server.key").read_bytes()
    replace(authority.folder / "server.key", b"no key")
    authority.issue("client")
    with dial(authority.config(server.port, "client")) as channel:
        greet(channel)
    replace(authority.folder / "server.key", good)
    with dial(authority.config(server.port, "client")) as channel:
        greet(channel)
    until(lambda: "in use" in server.log.lines("certificates")[-1]["message"])


@pytest.mark.parametrize("file", ["server.key", "server.crt", "ca.crt"])
def test_a_server_without_its_files_does_not_start(
    start: Serve, authority: Authority, file: str
) -> None:
    (authority.folder / file).unlink()
    with pytest.raises(StartError, match=file) as caught:
        start(tls_directory=authority.folder)
    assert caught.value.exit_code == 4
