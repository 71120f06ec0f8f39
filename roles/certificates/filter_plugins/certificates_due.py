"""The filter `certificates_due`: which pairs of a folder have to be issued, and why."""

from __future__ import annotations

import datetime
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


@dataclass(frozen=True)
class Due:
    """A pair that has to be issued: its name, the reason, and which halves are made anew."""

    name: str
    why: str
    new_key: bool = False
    new_certificate: bool = True


def certificates_due(
    directory: str, server_name: str, renew_before_days: int, ca_renew_before_days: int
) -> list[dict[str, object]]:
    """Return the pairs of `directory` that are due, the CA first.

    Arguments: the DNS name that the server's certificate has to carry, and the last days of a
    leaf's and of the CA's validity in which it is renewed. A file that cannot be parsed counts
    as missing.
    """
    folder = Path(directory)
    authority = _ca_due(folder, ca_renew_before_days)
    if authority and authority.new_key:
        leaves = [Due(name, "its CA is replaced", new_key=True) for name in ("server", "client")]
    else:
        issuer = _certificate(folder / "ca.crt")
        names = {"server": [server_name], "client": []}
        found = (_leaf_due(folder / n, issuer, names[n], renew_before_days) for n in names)
        leaves = [due for due in found if due]
    return [asdict(due) for due in ([authority] if authority else []) + leaves]


def _ca_due(folder: Path, days: int) -> Due | None:
    path = folder / "ca"
    key, certificate = _key(path), _certificate(path.with_suffix(".crt"))
    if key is None:
        return Due("ca", "there is no usable ca.key", new_key=True)
    why = _mismatch(path, key, certificate) or _expiry(certificate, days)
    return Due("ca", why) if why else _exposed(path)


def _leaf_due(
    path: Path, issuer: x509.Certificate | None, names: list[str], days: int
) -> Due | None:
    key, certificate = _key(path), _certificate(path.with_suffix(".crt"))
    why = _mismatch(path, key, certificate) or _expiry(certificate, days)
    if not why and certificate:
        why = _identity(certificate, issuer, names)
    return Due(path.name, why, new_key=True) if why else _exposed(path)


def _mismatch(
    path: Path, key: EllipticCurvePrivateKey | None, certificate: x509.Certificate | None
) -> str:
    if key is None:
        return f"there is no usable {path.name}.key"
    if certificate is None:
        return f"there is no usable {path.name}.crt"
    if certificate.public_key() != key.public_key():
        return f"{path.name}.crt does not belong to {path.name}.key"
    return ""


def _expiry(certificate: x509.Certificate | None, days: int) -> str:
    if certificate is None:
        return ""
    end = certificate.not_valid_after_utc
    left = end - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(0):
        return f"it expired on {end:%Y-%m-%d}"
    if left < datetime.timedelta(days=days):
        return f"it expires on {end:%Y-%m-%d}, in less than {days} days"
    return ""


def _identity(
    certificate: x509.Certificate, issuer: x509.Certificate | None, names: list[str]
) -> str:
    if issuer and not _is_signed_by(certificate, issuer):
        return "it was not signed by the present CA"
    found = _dns_names(certificate)
    if found != names:
        return f"it names {', '.join(found) or 'nobody'} instead of {', '.join(names) or 'nobody'}"
    return ""


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):
        return False
    return True


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _exposed(path: Path) -> Due | None:
    mode = stat.S_IMODE(path.with_suffix(".key").stat().st_mode)
    if mode & 0o177 == 0:
        return None
    return Due(path.name, f"{path.name}.key has mode {mode:04o}", new_certificate=False)


def _key(path: Path) -> EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
    except (FileNotFoundError, TypeError, ValueError):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) else None


def _certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"certificates_due": certificates_due}
