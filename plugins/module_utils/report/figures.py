"""Calls, errors and latency of all hosts over time, added up from what each host counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# As grpc_switch/history.py counts durations, and as grpc_switch/logs.py tells faults.
STEPS = 8
FAULTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}
MOST_ROWS = 24
LEAST_SLICES = 15


@dataclass
class Sum:
    """Calls of some hosts and some time."""

    codes: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    took: Counter[int] = field(default_factory=Counter)

    def take(self, counted: Mapping[str, Any]) -> None:
        """Add what a host counted."""
        self.codes.update({str(code): int(n) for code, n in counted["codes"].items()})
        self.releases.update({str(name): int(n) for name, n in counted["releases"].items()})
        self.took.update({int(step): int(n) for step, n in counted["took"].items()})

    def add(self, other: Sum) -> None:
        """Add another sum."""
        for mine, its in ((self.codes, other.codes), (self.releases, other.releases)):
            mine.update(its)
        self.took.update(other.took)

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return sum(self.codes.values())

    @property
    def faults(self) -> int:
        """How many of them failed by the server's fault."""
        return sum(count for code, count in self.codes.items() if code in FAULTS)

    @property
    def refused(self) -> int:
        """How many of them ended otherwise than OK by what the caller did."""
        return self.calls - self.faults - self.codes["OK"]

    def percentile(self, share: int) -> float | None:
        """Return the milliseconds, 9 % too many at most, that `share` percent did not exceed."""
        rank, seen = -(-self.took.total() * share // 100), 0
        for step in sorted(self.took):
            seen += self.took[step]
            if seen >= rank:
                return float(2 ** (step / STEPS))
        return None


@dataclass
class Figures:
    """The sums of all hosts by the slices' beginnings, in seconds since 1970.

    From `begin` to `end` was asked; `since` is from when on every host's figures are complete.
    """

    begin: int
    end: int
    since: int
    width: int
    slices: dict[int, Sum]

    @property
    def total(self) -> Sum:
        """The sum of all."""
        total = Sum()
        for one in self.slices.values():
            total.add(one)
        return total

    @property
    def releases(self) -> list[str]:
        """The releases that took calls, in the order in which they first did."""
        return list(dict.fromkeys(name for one in self.slices.values() for name in one.releases))

    def starting(self, at: float) -> Figures:
        """Return the same without the time before a moment; a quarter of an hour stays."""
        latest = self.end // self.width * self.width - LEAST_SLICES * self.width
        begin = max(self.begin, min(latest, int(at) // self.width * self.width))
        return replace(self, begin=begin, since=max(begin, self.since))

    def rows(self) -> tuple[int, list[tuple[int, Sum]]]:
        """Return the seconds of a row, and the sums of those rows that have calls."""
        times = -(-(self.end - self.begin) // (self.width * MOST_ROWS))
        nice = next((n for n in (1, 2, 3, 5, 10, 15, 30, 60) if n >= times), times)
        seconds = nice * self.width
        rows: dict[int, Sum] = {}
        for at, one in self.slices.items():
            rows.setdefault(at // seconds * seconds, Sum()).add(one)
        return seconds, sorted(rows.items())


def figures(histories: Iterable[Mapping[str, Any]]) -> Figures | None:
    """Add up what hosts answered to `grpc-switch history`; None when none did."""
    answers = list(histories)
    if not answers:
        return None
    slices: dict[int, Sum] = {}
    for answer in answers:
        for one in answer["slices"]:
            slices.setdefault(int(one["at"]), Sum()).take(one)
    return Figures(
        begin=min(int(answer["begin"]) for answer in answers),
        end=max(int(answer["now"]) for answer in answers),
        since=max(int(answer["since"]) for answer in answers),
        width=max(int(answer["width"]) for answer in answers),
        slices=dict(sorted(slices.items())),
    )
