"""The verb `certificates`: what it takes into use, what it refuses, and what is left then."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc_switch import certificates, mapping
from grpc_switch.certificates import FILES, Certificates
from grpc_switch.config import Config
from grpc_switch.system import RefusedError

from tests.app.pki import SERVER_NAME, Authority
from tests.grpc_server.fake_host import FakeHost


class Staging:
    """A host with certificates in use, to which an authority stages others."""

    def __init__(self, config: Config, folder: Path, host: FakeHost) -> None:
        self.config, self.host = config, host
        self.authority = Authority(folder)
        config.tls.mkdir(parents=True)
        self.stage()
        for name in FILES:
            (config.staged_tls / name).rename(config.tls / name)

    def stage(self, *names: str) -> None:
        self.config.staged_tls.mkdir(exist_ok=True)
        for name in names or FILES:
            content = (self.authority.folder / name).read_bytes()
            (self.config.staged_tls / name).write_bytes(content)

    def in_use(self) -> list[bytes]:
        return [(self.config.tls / name).read_bytes() for name in FILES]

    def take(self) -> dict[str, Any]:
        return Certificates(self.config).take()


@pytest.fixture
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staging:
    host = FakeHost(tmp_path / "host", monkeypatch)
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    monkeypatch.setattr(certificates, "PRESENTED_SECONDS", 0.3)
    return Staging(replace(host.config, server_name=SERVER_NAME), tmp_path / "authority", host)


def test_a_renewed_pair_is_taken_into_use(staging: Staging) -> None:
    staging.authority.issue("server")
    staging.stage()
    answer = staging.take()
    assert answer == {"changed": True, "files": ["server.crt", "server.key"], "presented": None}
    assert staging.in_use() == [(staging.authority.folder / name).read_bytes() for name in FILES]
    assert {(staging.config.tls / name).stat().st_mode & 0o777 for name in FILES} == {0o640}
    assert not staging.config.staged_tls.exists()


class KilledError(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("killed_before", [*FILES, "tls.taken"])
def test_a_set_is_finished_after_a_kill_or_left_out_as_a_whole(
    staging: Staging, killed_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = staging.in_use()
    staging.authority.issue("server")
    staging.stage()
    rename = Path.rename

    def rename_or_die(path: Path, target: Path) -> Path:
        if target.name == killed_before:
            raise KilledError
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename_or_die)
        with pytest.raises(KilledError):
            staging.take()
    assert "systemctl restart saudacao-watch.service" in staging.host.lines
    staging.host.switch.reconcile()
    now = [(staging.authority.folder / name).read_bytes() for name in FILES]
    assert staging.in_use() == (before if killed_before == "tls.taken" else now)
    assert not staging.config.taken_tls.exists()


def test_those_in_use_change_nothing(staging: Staging) -> None:
    staging.stage()
    assert staging.take()["changed"] is False


def test_a_pair_of_either_of_two_authorities_is_taken(staging: Staging, tmp_path: Path) -> None:
    successor = Authority(tmp_path / "successor")
    staging.authority.write_ca(successor)
    staging.stage()
    assert staging.take()["files"] == ["ca.crt"]
    successor.issue("server", folder=staging.authority.folder)
    staging.stage()
    assert staging.take()["files"] == ["server.crt", "server.key"]


def swap(authority: Authority, name: str) -> None:
    """Put another authority's file in the place of this one's."""
    other = Authority(authority.folder.with_name("stranger"))
    (authority.folder / name).write_bytes((other.folder / name).read_bytes())


REFUSALS: dict[str, Callable[[Authority], object]] = {
    "server.key does not belong": lambda authority: swap(authority, "server.key"),
    "ca.crt does not vouch for server.crt": lambda authority: swap(authority, "ca.crt"),
    "ca.crt holds no certificate": lambda a: (a.folder / "ca.crt").write_text("oops"),
    "certificate has expired": lambda authority: authority.issue("server", days=-1),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_set_that_does_not_fit_is_refused_and_those_in_use_stay(
    staging: Staging, why: str
) -> None:
    before = staging.in_use()
    REFUSALS[why](staging.authority)
    staging.stage()
    with pytest.raises(RefusedError, match=why):
        staging.take()
    assert staging.in_use() == before
    assert not staging.config.staged_tls.exists(), "a key is left lying about"


def test_a_certificate_for_another_name_is_refused(staging: Staging) -> None:
    staging.stage()
    config = replace(staging.config, server_name="other.internal")
    with pytest.raises(RefusedError, match=r"other\.internal"):
        Certificates(config).take()


def test_half_a_set_is_refused(staging: Staging) -> None:
    staging.stage("ca.crt", "server.crt")
    with pytest.raises(RefusedError, match=r"has no server\.key"):
        staging.take()


@contextmanager
def presenting(folder: Path) -> Iterator[int]:
    """Present the pair that a folder has now, to every caller; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain, context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("follows", [True, False])
def test_the_release_in_use_has_to_present_the_new_certificate(
    staging: Staging, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "read", lambda _: mapping.Record("a", 50061))
    presented = staging.authority.folder if follows else staging.config.tls
    staging.authority.issue("server")
    staging.stage()
    with presenting(presented) as port:
        host = Certificates(replace(staging.config, port=port))
        if follows:
            assert host.take()["presented"] is True
        else:
            with pytest.raises(RefusedError, match="presents another"):
                host.take()
