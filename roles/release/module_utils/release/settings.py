"""The server's settings, as systemd reads them from an EnvironmentFile."""

from __future__ import annotations

import re
from collections.abc import Mapping

from . import ReleaseError

_KEY = re.compile(r"SERVER_[A-Z_]+")
_SET_BY_THE_HOST = "each host sets this key itself, for each release"
_REFUSED = {
    "SERVER_PLAINTEXT": "what is deployed speaks mutual TLS only",
    "SERVER_PORT": _SET_BY_THE_HOST,
    "SERVER_RELEASE": _SET_BY_THE_HOST,
    "SERVER_TLS_DIRECTORY": _SET_BY_THE_HOST,
}
_ESCAPED = str.maketrans({character: f"\\{character}" for character in '"\\`$'})


def checked(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the settings as text, sorted by key; true and false become `true` and `false`.

    Raises ReleaseError, naming key and value, on a key that is not SERVER_ and capitals, on one
    that a host sets itself or that would turn TLS off, and on a value that is no number, truth
    value or line of printable text.
    """
    return {key: _text(key, settings[key]) for key in sorted(settings)}


def environment_file(settings: Mapping[str, str]) -> str:
    """Return the text of an EnvironmentFile from which systemd reads exactly these values."""
    return "".join(f'{key}="{value.translate(_ESCAPED)}"\n' for key, value in settings.items())


def _text(key: str, value: object) -> str:
    if not _KEY.fullmatch(key):
        raise _refusal(key, value, "a key is SERVER_ and capitals or underscores")
    if key in _REFUSED:
        raise _refusal(key, value, _REFUSED[key])
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise _refusal(key, value, "a value is text, a number, true or false")
    if not value.isprintable():
        raise _refusal(key, value, "a value is one line of printable characters")
    return value


def _refusal(key: str, value: object, why: str) -> ReleaseError:
    return ReleaseError(
        f"The setting {key} = {value!r} cannot be released: {why}. Change it in release_settings."
    )
