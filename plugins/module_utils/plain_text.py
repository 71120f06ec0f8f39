"""Text from elsewhere, made safe for a terminal."""

from __future__ import annotations

import unicodedata

# Controls, and the formats that turn the direction of writing: they can hide what a line says.
_COMMANDING = {"Cc", "Cf", "Cs"}


def visible(text: str) -> str:
    """Return the text with each character that would command a terminal as an escape."""
    return "".join(
        ascii(character)[1:-1]
        if unicodedata.category(character) in _COMMANDING and character != "\t"
        else character
        for character in text
    )
