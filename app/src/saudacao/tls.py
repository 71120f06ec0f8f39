"""Mutual TLS with certificates that are read again when their files change."""

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from saudacao import validity
from saudacao.errors import StartError
from saudacao.logs import Log

BAD_CERTIFICATES = 4

Signature = tuple[tuple[int, int, int], ...]


class Certificates:
    """The files ca.crt, server.crt and server.key of one folder.

    gRPC asks at each handshake. A new set is taken into use only when its key belongs to its
    certificate; until then, the one in use stays, and the log says why.

    `ends` is until when those in use are valid, in seconds since 1970: `server`, and `ca`, of
    several the one that lasts longest. One whose end cannot be read is not in it.
    """

    def __init__(self, directory: Path, log: Log) -> None:
        self._files = tuple(directory / name for name in ("ca.crt", "server.crt", "server.key"))
        self._log = log
        self._seen: Signature | None = None
        self._complaint = ""
        self.ends: dict[str, float] = {}

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that require a client certificate; raises StartError (code 4)."""
        try:
            self._seen = self._signature()
            first, self.ends = self._read()
        except (OSError, ValueError) as error:
            raise StartError(f"cannot use the certificates: {error}", BAD_CERTIFICATES) from error
        # The type stubs leave out that None keeps the set in use.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._fetch)
        return grpc.dynamic_ssl_server_credentials(first, fetch, require_client_authentication=True)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new set, or None to keep the one in use."""
        try:
            signature = self._signature()
            if signature == self._seen:
                return None
            configuration, ends = self._read()
            if signature != self._signature():
                return None
        except (OSError, ValueError) as error:
            self._refuse(error)
            return None
        self._seen = signature
        self._complaint = ""
        self.ends = ends
        self._log.info("certificates", message="new certificates are in use")
        return configuration

    def _refuse(self, error: Exception) -> None:
        """Say so once, not at every handshake."""
        message = f"new certificates are not used, the old ones stay: {error}"
        if message != self._complaint:
            self._complaint = message
            self._log.failure("certificates", message=message)

    def _signature(self) -> Signature:
        facts = [path.stat() for path in self._files]
        return tuple((fact.st_mtime_ns, fact.st_ino, fact.st_size) for fact in facts)

    def _read(self) -> tuple[grpc.ServerCertificateConfiguration, dict[str, float]]:
        """Return the set, and until when it is valid."""
        _check(*self._files)
        ca, certificate, key = (path.read_bytes() for path in self._files)
        configuration = grpc.ssl_server_certificate_configuration([(key, certificate)], ca)
        return configuration, _ends(ca, certificate)


def _ends(ca: bytes, certificate: bytes) -> dict[str, float]:
    found: dict[str, float] = {}
    # TLS itself decides what is good enough; here, what cannot be read is only not known.
    with contextlib.suppress(ValueError):
        found["ca"] = max(validity.ends(ca))
    with contextlib.suppress(ValueError):
        found["server"] = validity.ends(certificate)[0]
    return found


def _check(ca: Path, certificate: Path, key: Path) -> None:
    """Raise OSError or ValueError naming the file that is no good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in (ca, certificate, key):
        if not path.read_bytes().strip():
            raise ValueError(f"{path} is empty")
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ValueError(f"{ca} is no certificate: {error}") from error
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise ValueError(f"{key} does not belong to {certificate}: {error}") from error
