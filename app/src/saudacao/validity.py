"""Reads until when certificates are valid. Python's ssl tells it only of a verified peer's."""

import base64
import re
import time
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17

SECONDS_A_DAY = 86_400

Element = tuple[int, bytes]


def days_left(end: float) -> float:
    """Return the days until `end`, in seconds since 1970; less than 0 afterwards."""
    return round((end - time.time()) / SECONDS_A_DAY, 3)


def ends(pem: bytes) -> list[float]:
    """Return when each certificate in `pem` ends, in seconds since 1970.

    Raises ValueError when there is none, or what is there is none.
    """
    try:
        found = [_end(base64.b64decode(body)) for body in _PEM.findall(pem)]
    except IndexError:
        raise ValueError("a certificate is cut off") from None
    if not found:
        raise ValueError("there is no certificate")
    return found


def _end(der: bytes) -> float:
    """Find the end (RFC 5280): certificate, its signed part, validity, the second of two times."""
    signed = _elements(_elements(der)[0][1])[0][1]
    fields = _elements(signed)
    # A version may come first; then serial number, algorithm, issuer, validity.
    validity = fields[4 if fields[0][0] == _VERSION else 3][1]
    tag, text = _elements(validity)[1]
    return _seconds(tag, text.decode("ascii"))


def _elements(data: bytes) -> list[Element]:
    """Return the tag and the content of each element (DER)."""
    found: list[Element] = []
    while data:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        found.append((tag, data[start : start + length]))
        data = data[start + length :]
    return found


def _seconds(tag: int, text: str) -> float:
    """Return the time of YYYYMMDDHHMMSSZ, or of YYMMDDHHMMSSZ from 1950 on."""
    if tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    month, day, hour, minute, second = map(int, re.findall("..", text[4:14]))
    return datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC).timestamp()
