"""The journal as a buffer: read from where the last line was shipped, as fast as it is taken."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections import deque
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT"
# What a host that has never shipped begins with.
FIRST = "--since=-1h"
CHUNK = 1 << 20
# Characters of lines that are read ahead of those that are shipped.
MOST_WAITING = 8 << 20
# syslog's priorities: emerg, alert, crit, err, warning, notice, info, debug.
LEVELS = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")


class Line(NamedTuple):
    """A line to ship: where it is in the journal, its time in ms since 1970, and its text."""

    cursor: str
    time: int
    text: str


class Journal:
    """The lines of some units, named as in a shell; `kept` is the file of the last cursor.

    Not by journalctl's own choice of units: it would not see those that come later.
    """

    def __init__(self, units: Sequence[str], kept: Path, command: str = "journalctl") -> None:
        self._units = units
        self._kept = kept
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._waiting: deque[Line] = deque()
        self._size = 0

    def wait(self, seconds: float) -> bool:
        """Wait for lines, and tell whether there are some."""
        deadline = time.monotonic() + seconds
        while not self._waiting and (left := deadline - time.monotonic()) > 0:
            self._read(left)
        return bool(self._waiting)

    def lines(self) -> Sequence[Line]:
        """Return the lines that wait, the oldest first, with what can be had at once."""
        while self._size < MOST_WAITING and self._read(0):
            pass
        return self._waiting

    def shipped(self, count: int) -> None:
        """Keep in mind that the first lines have been shipped."""
        last = ""
        for _ in range(count):
            line = self._waiting.popleft()
            self._size -= len(line.text)
            last = line.cursor
        beside = self._kept.with_name("cursor.new")
        with beside.open("w") as file:
            file.write(last)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._kept)

    def close(self) -> None:
        """End journalctl; a later look starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process, self._unread = None, b""

    def _read(self, seconds: float) -> bool:
        """Read what journalctl says within `seconds`; tell whether it has said something."""
        if self._process is None:
            self._process = self._start()
        pipe = cast("IO[bytes]", self._process.stdout)
        if not select.select([pipe], [], [], seconds)[0]:
            return False
        part = os.read(pipe.fileno(), CHUNK)
        if not part:
            self._begin_again(seconds)
            return False
        *whole, self._unread = (self._unread + part).split(b"\n")
        for text in whole:
            if (line := read(text, self._units)) is not None:
                self._waiting.append(line)
                self._size += len(line.text)
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        begin = FIRST
        if self._waiting:
            begin = f"--after-cursor={self._waiting[-1].cursor}"
        elif self._kept.exists():
            begin = f"--after-cursor={self._kept.read_text()}"
        command = [self._command, "--quiet", "--no-pager", "--all", "--follow", "--no-tail"]
        command += ["--output=json", f"--output-fields={FIELDS}", begin]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def _begin_again(self, seconds: float) -> None:
        """Start journalctl anew, a while after it has ended."""
        self.close()
        time.sleep(min(seconds, 1.0))


def read(text: bytes, units: Sequence[str]) -> Line | None:
    """Return the line of an entry of the journal; None when it is of another unit."""
    entry = json.loads(text)
    unit = _text(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT"))
    if not any(fnmatchcase(unit, pattern) for pattern in units):
        return None
    microseconds = int(entry["__REALTIME_TIMESTAMP"])
    message = _text(entry.get("MESSAGE"))
    told = _time(message)
    if told is None:
        message = _wrapped(message, unit, str(entry.get("PRIORITY", "6")), microseconds)
    return Line(entry["__CURSOR"], microseconds // 1000 if told is None else told, message)


def _time(message: str) -> int | None:
    """Return the time that a line of ours names, in ms since 1970; None for any other line."""
    if not message.startswith("{"):
        return None
    try:
        fields = json.loads(message)
        if "event" not in fields:
            return None
        at = datetime.fromisoformat(fields["time"].replace("Z", "+00:00"))
        return round(at.timestamp() * 1000)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _wrapped(message: str, unit: str, priority: str, microseconds: int) -> str:
    """Return what others say, such as systemd of a unit, in the form of the service's lines."""
    at = datetime.fromtimestamp(microseconds // 1000 / 1000, timezone.utc)
    line = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": LEVELS[int(priority)] if priority in "01234567" else "info",
        "event": "log",
        "unit": unit,
        "message": message,
    }
    return json.dumps(line, ensure_ascii=False)


def _text(value: Any) -> str:
    """Return a field's text; journalctl shows bytes that are no text as a list of numbers."""
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(value).decode(errors="replace")
    return "" if value is None else str(value)
