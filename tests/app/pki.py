"""Certificate authorities for tests, with real files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from saudacao.client import Config

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAME = "trial.internal"


class Authority:
    """A CA whose folder gets ca.crt and a pair server.crt, server.key that is also a client's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(f"CA of {folder}"[-64:], self._key, None, days=1)
        self.write_ca()
        self.issue("server")

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def write_ca(self, *others: Authority) -> None:
        """Trust this authority and `others`."""
        bundle = b"".join([self.pem, *(other.pem for other in others)])
        replace(self.folder / "ca.crt", bundle)

    def issue(self, stem: str, *, days: float = 1, folder: Path | None = None) -> None:
        """Write a pair that is valid for `days` from now; with less than 0, one that was."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(stem, key, SERVER_NAME, days=days)
        folder = folder or self.folder
        replace(folder / f"{stem}.key", private(key))
        replace(folder / f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def config(self, port: int, pair: str = "server", ca: Authority | None = None) -> Config:
        """A client with one of this authority's pairs; it trusts `ca`, or this authority."""
        trusted = (ca or self).folder / "ca.crt"
        crt, key = self.folder / f"{pair}.crt", self.folder / f"{pair}.key"
        return Config(f"127.0.0.1:{port}", SERVER_NAME, trusted, crt, key)

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, host: str | None, days: float
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject if host else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host:
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def replace(path: Path, content: bytes) -> None:
    """Write a file as deployments do: beside, then renamed."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)
