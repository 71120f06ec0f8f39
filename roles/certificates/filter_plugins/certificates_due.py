"""Filters that judge a folder of certificates: what is due, who is trusted, what is handed out.

`ca.crt` begins with the CA that signs. Others after it are former ones: as long as they stand
there, CAs overlap. A server proves itself to callers who know the former CA alone, so its pair
stays the former one's until the overlap ends; the client's is the new one's as soon as every
host trusts it. Everything is read from the files, so a run that was killed is simply gone on with.
"""

from __future__ import annotations

import datetime
import stat
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

ASKED = "its rotation was asked for"
# Certificates are signed as if an hour ago, for hosts whose clock is late.
BACKDATED = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Due:
    """A pair that has to be issued: its name, the reason, and which halves are made anew.

    `beside` are the former CAs, in PEM, that stay trusted beside this one. `by_former` says that
    a pair is issued before its CA is replaced, so by the former one.
    """

    name: str
    why: str
    new_key: bool = False
    new_certificate: bool = True
    beside: str = ""
    by_former: bool = False


@dataclass(frozen=True)
class Limits:
    """What the role was told: days, the server's name, and what to rotate."""

    server_name: str
    renew_before_days: int
    ca_renew_before_days: int
    overlap_days: int
    rotate: str


def certificates_due(
    directory: str,
    server_name: str,
    renew_before_days: int,
    ca_renew_before_days: int,
    overlap_days: int,
    rotate: str = "none",
) -> list[dict[str, object]]:
    """Return the pairs of `directory` that are due, in the order in which they are issued.

    Arguments: the DNS name that the server's certificate has to carry, the last days of a leaf's
    and of the CA's validity in which it is renewed, the days for which a former CA stays trusted,
    and `pairs`, `ca` or `end` to rotate now. A file that cannot be parsed counts as missing.
    """
    folder = Path(directory)
    limits = Limits(server_name, renew_before_days, ca_renew_before_days, overlap_days, rotate)
    authorities = _authorities(folder)
    authority = _ca_due(folder, authorities, limits)
    if authority is None or not authority.new_key:
        pairs = _pairs_due(folder, authorities, limits)
        found = [authority, *pairs] if authority else pairs
    elif not authority.beside:
        pairs = [Due(name, "its CA is replaced", new_key=True) for name in ("server", "client")]
        found = [authority, *pairs]
    else:
        found = _before_overlap(folder, authorities, limits, authority)
    return [asdict(due) for due in found]


def certificates_trusted(directory: str) -> str:
    """Return the CAs to trust, in PEM: the former ones too until both pairs are the present one's.

    Hosts follow this at once, clients when every host presents its new pair.
    """
    folder = Path(directory)
    authorities = _authorities(folder)
    pairs = [_certificate(folder / f"{name}.crt") for name in ("server", "client")]
    moved = all(_is_signed_by(pair, authorities[:1]) for pair in pairs)
    return _pem(authorities[:1] if moved else authorities)


def certificates_to_hand_out(directory: str) -> list[dict[str, object]]:
    """Return the client's pair if it is not the present CA's: due once every host trusts that."""
    folder = Path(directory)
    if _is_signed_by(_certificate(folder / "client.crt"), _authorities(folder)[:1]):
        return []
    return [asdict(Due("client", "the hosts accept pairs of the present CA", new_key=True))]


def _ca_due(folder: Path, authorities: list[x509.Certificate], limits: Limits) -> Due | None:
    path = folder / "ca"
    key, present = _key(path), next(iter(authorities), None)
    if key is None:
        return Due("ca", "there is no usable ca.key", new_key=True, beside=_pem(authorities))
    if limits.rotate == "ca" and len(authorities) == 1:
        return Due("ca", ASKED, new_key=True, beside=_pem(authorities))
    if why := _mismatch(path, key, present):
        return Due("ca", why, beside=_pem(authorities))
    if why := _expiry(present, limits.ca_renew_before_days):
        return Due("ca", why, beside=_pem(authorities[1:]))
    return _exposed(path)


def _before_overlap(
    folder: Path, authorities: list[x509.Certificate], limits: Limits, authority: Due
) -> list[Due]:
    """Return what is due when the CA is replaced by one that overlaps with it.

    The server's pair has to last for the overlap; its former CA signs it now, if it still can.
    """
    names, days = [limits.server_name], limits.renew_before_days + limits.overlap_days
    server = _leaf_due(folder / "server", authorities, names, days)
    client = _leaf_due(folder / "client", authorities, [], 0)
    former = _key(folder / "ca")
    if server and former and former.public_key() == authorities[0].public_key():
        first = [Due("server", server.why, server.new_key, server.new_certificate, by_former=True)]
        return [*first, authority, *([client] if client else [])]
    return [authority, *(due for due in (server, client) if due)]


def _pairs_due(folder: Path, authorities: list[x509.Certificate], limits: Limits) -> list[Due]:
    over = _is_over(folder, authorities, limits.overlap_days, limits.rotate)
    issuers = authorities[:1] if over else authorities
    days = limits.renew_before_days
    server = _leaf_due(folder / "server", issuers, [limits.server_name], days)
    client = _leaf_due(folder / "client", issuers, [], days)
    if limits.rotate == "pairs":
        client = Due("client", ASKED, new_key=True)
        # In an overlap it stays the former CA's, which signs no more.
        server = server if len(authorities) > 1 else Due("server", ASKED, new_key=True)
    return [due for due in (server, client) if due]


def _is_over(
    folder: Path, authorities: list[x509.Certificate], overlap_days: int, rotate: str
) -> bool:
    """Tell whether the former CAs are to go, or on their way out.

    The overlap begins when the client's pair of the new CA is there to be fetched, and no time
    ends one that has not begun.
    """
    client = _certificate(folder / "client.crt")
    if len(authorities) < 2 or client is None or not _is_signed_by(client, authorities[:1]):
        return False
    begun = client.not_valid_before_utc + BACKDATED
    end = begun + datetime.timedelta(days=overlap_days)
    ended = rotate == "end" or end <= datetime.datetime.now(datetime.UTC)
    return ended or _is_signed_by(_certificate(folder / "server.crt"), authorities[:1])


def _leaf_due(
    path: Path, issuers: Sequence[x509.Certificate], names: list[str], days: int
) -> Due | None:
    key, certificate = _key(path), _certificate(path.with_suffix(".crt"))
    why = _mismatch(path, key, certificate) or _expiry(certificate, days)
    if not why and certificate:
        why = _identity(certificate, issuers, names)
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
    certificate: x509.Certificate, issuers: Sequence[x509.Certificate], names: list[str]
) -> str:
    if issuers and not _is_signed_by(certificate, issuers):
        return "it was not signed by the present CA"
    found = _dns_names(certificate)
    if found != names:
        return f"it names {', '.join(found) or 'nobody'} instead of {', '.join(names) or 'nobody'}"
    return ""


def _is_signed_by(
    certificate: x509.Certificate | None, issuers: Sequence[x509.Certificate]
) -> bool:
    return certificate is not None and any(_is_issuer(one, certificate) for one in issuers)


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
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


def _authorities(folder: Path) -> list[x509.Certificate]:
    """Return the CAs of ca.crt, the one that signs first."""
    try:
        return x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
    except (FileNotFoundError, ValueError):
        return []


def _pem(authorities: Sequence[x509.Certificate]) -> str:
    """Return those that have not expired, in PEM."""
    now = datetime.datetime.now(datetime.UTC)
    valid = [one for one in authorities if now < one.not_valid_after_utc]
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in valid)


def _certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {
            "certificates_due": certificates_due,
            "certificates_to_hand_out": certificates_to_hand_out,
            "certificates_trusted": certificates_trusted,
        }
