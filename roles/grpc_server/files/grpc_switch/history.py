"""What the service did over the last hours: sums for slices of time, never a line of its log."""

from __future__ import annotations

import calendar
import contextlib
import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import journal
from .config import RELEASE_ID
from .logs import entries
from .system import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Config

MOST_HOURS = 24 * 14
MOST_SLICES = 360
WIDTHS = (60, 120, 300, 600, 900, 1800, 3600)
MOST_RUNS = 50
MOST_RELEASES = 30
# A busy host's log of a day has millions of lines: the newest that can be read in this time count.
MOST_SECONDS = 20.0
LOOK_AT_THE_CLOCK = 1000
# Durations are counted in steps of a power of two, 9 % apart, from a microsecond to half an hour:
# such counts of several hosts and slices can be added, as percentiles cannot.
STEPS = 8
SHORTEST, LONGEST = -10 * STEPS, 21 * STEPS
CODES = frozenset([
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
])  # fmt: skip


@dataclass
class Slice:
    """The calls of one slice of time, by status, by release, and by how long they took."""

    codes: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    took: Counter[int] = field(default_factory=Counter)


@dataclass
class Sums:
    """The calls since `begin`, in slices of `width` seconds; times are seconds since 1970."""

    begin: int
    width: int
    slices: dict[int, Slice] = field(default_factory=lambda: defaultdict(Slice))
    releases: set[str] = field(default_factory=set)

    def take(self, line: str) -> int | None:
        """Add the call of a line of the log; return the slice it is in, None for other lines."""
        call = _call(line)
        minute = _minute(str(call.get("time", ""))[:16])
        if minute is None or minute < self.begin:
            return None
        at = minute // self.width * self.width
        taken = self.slices[at]
        code, duration = call.get("code"), call.get("duration_ms")
        known = isinstance(code, str) and code in CODES
        taken.codes[str(code) if known else "UNKNOWN"] += 1
        taken.releases[self._release(call.get("release"))] += 1
        if isinstance(duration, (int, float)):
            taken.took[step(duration)] += 1
        return at

    def _release(self, name: object) -> str:
        """Return a release's name; what is none, or one too many, is not repeated."""
        if not isinstance(name, str) or not RELEASE_ID.fullmatch(name):
            return "unknown"
        if name not in self.releases and len(self.releases) >= MOST_RELEASES:
            return "others"
        self.releases.add(name)
        return name


def history(config: Config, hours: float) -> dict[str, Any]:
    """Return the last runs, and the calls of the last hours, of which `since` says how many.

    RefusedError when `hours` cannot be.
    """
    if not 0 < hours <= MOST_HOURS:
        raise RefusedError(f"--hours {hours:g} is not a number above 0, at most {MOST_HOURS}")
    now = int(time.time())
    width = next((one for one in WIDTHS if hours * 3600 / one <= MOST_SLICES), WIDTHS[-1])
    sums = Sums(int(now - hours * 3600) // width * width, width)
    lines = entries(
        "--output=cat", "--reverse", f"--unit={config.unit('*')}", since=f"@{sums.begin}"
    )
    unknown, since = "", sums.begin
    with contextlib.closing(lines):
        try:
            since = add(sums, lines)
        except RefusedError as error:
            unknown = str(error)
    return {
        "now": now,
        "begin": sums.begin,
        "since": since,
        "width": width,
        "unknown": unknown,
        "slices": [
            {"at": at, "codes": one.codes, "releases": one.releases, "took": one.took}
            for at, one in sorted(sums.slices.items())
            if at >= since
        ],
        "runs": journal.runs(config)[-MOST_RUNS:],
    }


def add(sums: Sums, lines: Iterable[str], seconds: float = MOST_SECONDS) -> int:
    """Add lines, the newest first, while there is time; return since when they are complete."""
    deadline, at = time.monotonic() + seconds, sums.begin
    for number, line in enumerate(lines):
        at = sums.take(line) or at
        if number % LOOK_AT_THE_CLOCK == 0 and time.monotonic() > deadline:
            return at + sums.width
    return sums.begin


def step(milliseconds: float) -> int:
    """Return the step that a duration is in: it took no more than 2 ** (step / STEPS) ms."""
    if milliseconds <= 0 or math.isnan(milliseconds):
        return SHORTEST
    return max(SHORTEST, min(LONGEST, math.ceil(STEPS * math.log2(min(milliseconds, 1e9)))))


def _call(line: str) -> dict[str, Any]:
    """Return the fields of a line that tells of a call; nothing for any other."""
    if '"call"' not in line:
        return {}
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) and fields.get("event") == "call" else {}


@lru_cache(maxsize=4)
def _minute(text: str) -> int | None:
    """Return a minute such as 2026-11-25T17:41 in seconds since 1970."""
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M"))
    except ValueError:
        return None
