"""A file for the CloudWatch agent to read, which cannot read the journal as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .journal import Line

# Twice as much is kept: the agent reads one that was renamed to its end.
MOST_BYTES = 100 * 1024 * 1024
MODE = 0o640


class Pages:
    """Lines in a file; a full one is renamed, and takes the place of the one before."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def take(self, lines: Sequence[Line], say: Callable[[str, str], None]) -> int:
        """Append all lines."""
        del say
        text = "".join(line.text.replace("\n", "\\n") + "\n" for line in lines).encode()
        if self._path.exists() and self._path.stat().st_size + len(text) > self._most_bytes:
            self._path.rename(self._path.with_name(f"{self._path.name}.1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        return len(lines)
