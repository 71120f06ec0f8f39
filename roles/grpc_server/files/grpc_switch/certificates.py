"""Staged certificates: tried as a client and a server would, then taken into use.

The running release reads them at its next handshake. Whatever is wrong with the staged ones is
found before any of those in use is touched. From then on they are finished, whatever happens: half
of a pair would keep the next server from starting.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import mapping
from .system import RefusedError, run, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config

# The authorities first: whoever is new must be trusted before it is met.
FILES = ("ca.crt", "server.crt", "server.key")
PEM_END = "-----END CERTIFICATE-----"
NEXT = "Run: ansible-playbook playbooks/rotate_certificates.yml"
PRESENTED_SECONDS = 10.0
ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class Certificates:
    """The folder of certificates in use, and the one in which new ones are staged."""

    config: Config

    def take(self) -> dict[str, Any]:
        """Take the staged files into use; RefusedError leaves those in use as they are."""
        self.finish()
        staged = self.config.staged_tls
        missing = [name for name in FILES if not (staged / name).is_file()]
        if missing:
            raise RefusedError(f"{staged} has no {', '.join(missing)}: nothing is staged. {NEXT}")
        try:
            changed = self._accept(staged)
        except (OSError, ValueError) as error:
            raise RefusedError(
                f"the staged certificates cannot be used: {error}. Those in use stay. {NEXT}"
            ) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        self.finish()
        return {"changed": bool(changed), "files": changed, "presented": self._presented()}

    def finish(self) -> None:
        """Rename what was accepted over what is in use; a run that was killed may have left some.

        Files go one by one, and no server starts with half of a pair: a boot ends here too.
        """
        taken = self.config.taken_tls
        if not taken.exists():
            return
        try:
            for name in FILES:
                if (taken / name).exists():
                    (taken / name).rename(self.config.tls / name)
            sync_folder(self.config.tls)
            shutil.rmtree(taken)
        except OSError as error:
            raise RefusedError(f"{taken} could not be taken into use: {error}. {NEXT}") from error

    def _accept(self, staged: Path) -> list[str]:
        """Check the staged files, and decide to use them; return which differ from those in use."""
        self._try_out(staged)
        changed = [name for name in FILES if not self._is_in_use(staged, name)]
        for name in FILES:
            self._prepare(staged / name)
        sync_folder(staged)
        # It waits for the lock that is held here, and finishes what a kill leaves.
        run("systemctl", "restart", self.config.watch_unit)
        staged.rename(self.config.taken_tls)
        sync_folder(staged.parent)
        return changed

    def _is_in_use(self, staged: Path, name: str) -> bool:
        used = self.config.tls / name
        return used.is_file() and used.read_bytes() == (staged / name).read_bytes()

    def _prepare(self, path: Path) -> None:
        """Let the service read the file, and nobody else; have it on the disk."""
        shutil.chown(path, "root", self.config.name)
        path.chmod(0o640)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _try_out(self, folder: Path) -> None:
        """Shake hands within this process, as the host does when it checks a release.

        Both sides present the pair and trust the authorities: chain, dates, name and uses count.
        """
        server = _context(ssl.PROTOCOL_TLS_SERVER, folder)
        client = _context(ssl.PROTOCOL_TLS_CLIENT, folder)
        server.verify_mode = ssl.CERT_REQUIRED
        try:
            _shake_hands(server, client, self.config.server_name)
        except ssl.SSLCertVerificationError as error:
            raise ValueError(
                f"ca.crt does not vouch for server.crt as {self.config.server_name}:"
                f" {error.verify_message}"
            ) from error

    def _presented(self) -> bool | None:
        """Wait until the release in use presents the certificate; None when nothing answers."""
        if mapping.read(self.config).release is None:
            return None
        expected = ssl.PEM_cert_to_DER_cert(_first(self.config.tls / "server.crt"))
        deadline = time.monotonic() + PRESENTED_SECONDS
        while (found := presented(self.config)) != expected:
            if found is None:
                return None
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"the certificates are in place, but the release in use presents another:"
                    f" journalctl -u '{self.config.unit('*')}' says why"
                )
            time.sleep(0.1)
        return True


def require_answer(config: Config) -> None:
    """Shake hands on the public port; RefusedError when nothing answers there in time."""
    deadline = time.monotonic() + PRESENTED_SECONDS
    while presented(config) is None:
        if time.monotonic() > deadline:
            raise RefusedError(
                f"nothing answers on port {config.port}, though the release does on its own port."
                f" Look at: nft list table inet {config.name}"
            )
        time.sleep(0.1)


def presented(config: Config) -> bytes | None:
    """Return the certificate that the public port presents; None when nothing answers."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, config.tls)
    # Whatever is presented, it is only compared.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    address = ("127.0.0.1", config.port)
    try:
        with (
            socket.create_connection(address, ANSWER_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=config.server_name) as secure,
        ):
            return secure.getpeercert(binary_form=True)
    except OSError:
        return None


def _context(protocol: ssl._SSLMethod, folder: Path) -> ssl.SSLContext:
    """Return a context with the folder's authorities and pair; ValueError names a bad file."""
    context = ssl.SSLContext(protocol)
    try:
        context.load_verify_locations(folder / "ca.crt")
    except ssl.SSLError as error:
        raise ValueError(f"ca.crt holds no certificate: {error}") from error
    try:
        # An encrypted key is no key, rather than a question on a terminal.
        context.load_cert_chain(folder / "server.crt", folder / "server.key", password="")
    except ssl.SSLError as error:
        raise ValueError(f"server.key does not belong to server.crt: {error}") from error
    return context


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def _first(path: Path) -> str:
    """Return the first certificate of a file, which the others vouch for."""
    return path.read_text().partition(PEM_END)[0] + PEM_END
