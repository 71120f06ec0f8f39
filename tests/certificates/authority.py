"""Signs certificates as the role's CA would, with ends that the role would not choose."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key


def load(path: Path) -> x509.Certificate:
    """Read a certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def load_key(path: Path) -> EllipticCurvePrivateKey:
    """Read a private key on an elliptic curve."""
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key


def end_in(path: Path, days: float, signed_by: Path) -> None:
    """Sign the certificate at `path` again, so that it ends `days` from now."""
    old = load(path)
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=200),
        not_valid_after=now + datetime.timedelta(days=days),
        extensions=list(old.extensions),
    )
    new = builder.sign(load_key(signed_by), hashes.SHA256())
    path.write_bytes(new.public_bytes(Encoding.PEM))
