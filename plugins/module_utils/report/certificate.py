"""What a certificate says of itself; never a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Certificate:
    """Where a certificate is, what for, from whom, and how long it is good."""

    where: str
    file: str
    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    now: datetime

    @property
    def days_left(self) -> int:
        """The whole days until it expires."""
        return (self.ends - self.now).days

    @property
    def days(self) -> int:
        """The days for which it was made."""
        return max(1, (self.ends - self.begins).days)


def certificates(where: str, file: str, pem: str, now: datetime) -> list[Certificate]:
    """Return the certificates of a file, none when it has none."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []
    return [
        Certificate(
            where,
            file,
            _name(one.subject),
            _name(one.issuer),
            one.not_valid_before_utc,
            one.not_valid_after_utc,
            now,
        )
        for one in found
    ]


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()
