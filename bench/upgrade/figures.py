"""What the calls say about a way to upgrade, as numbers and as tables."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.upgrade.load import Call
from bench.upgrade.ways import Window

LIMIT = 1.2
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


@dataclass(frozen=True)
class Result:
    """One way's upgrades, and the calls that were made around them."""

    name: str
    windows: list[Window]
    calls: list[Call]

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        parts = self._parts()
        failed = [call for call in self.calls if call.status != "OK"]
        steady, during = _p99(parts["steady"]), _p99(parts["switch"] + parts["drain"])
        return {
            "way": self.name,
            "upgrades": len(self.windows),
            "calls": len(self.calls),
            "failed": len(failed),
            "by_status": dict(Counter(call.status for call in failed)),
            "seconds_command": _median(window.done - window.begun for window in self.windows),
            "seconds_whole": _median(window.ended - window.begun for window in self.windows),
            "calls_during": len(parts["switch"] + parts["drain"]),
            "p50_ms": {part: _percentile(calls, 0.5) for part, calls in parts.items()},
            "p99_ms": {part: _p99(calls) for part, calls in parts.items()} | {"during": during},
            "p99_ratio": round(during / steady, 2) if steady and during else None,
            "kinds": self._kinds(parts),
        }

    def _parts(self) -> dict[str, list[Call]]:
        parts: dict[str, list[Call]] = {"steady": [], "switch": [], "drain": []}
        for call in self.calls:
            parts[self._part(call)].append(call)
        return parts

    def _part(self, call: Call) -> str:
        """Say when a call was open: a long one that met a switch belongs to the switch."""
        end = call.began + call.seconds
        for window in self.windows:
            if call.began < window.done and end > window.begun:
                return "switch"
            if call.began < window.ended and end > window.begun:
                return "drain"
        return "steady"

    def _kinds(self, parts: dict[str, list[Call]]) -> dict[str, Any]:
        kinds = sorted({call.kind for call in self.calls})
        return {kind: self._kind(kind, parts) for kind in kinds}

    def _kind(self, kind: str, parts: dict[str, list[Call]]) -> dict[str, Any]:
        own = {part: [call for call in calls if call.kind == kind] for part, calls in parts.items()}
        every = [call for calls in own.values() for call in calls]
        return {
            "calls": len(every),
            "failed": sum(call.status != "OK" for call in every),
            "p99_ms": {
                "steady": _p99(own["steady"]),
                "during": _p99(own["switch"] + own["drain"]),
            },
        }


def table(summaries: list[dict[str, Any]], machine: dict[str, str]) -> str:
    """Return the figures as Markdown."""
    lines = [f"{name}: {value}  " for name, value in machine.items()]
    lines += ["", "| way | upgrades | seconds | calls | failed | p99 steady | p99 during | ratio |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [_row(summary) for summary in summaries]
    ours = summaries[0]
    p99 = ours["p99_ms"]
    parts = f"{p99['switch']} ms until the command's end, {p99['drain']} ms until the old one's"
    lines += [
        "",
        f"Ours in parts: p99 is {parts} ({ours['seconds_whole']} s in all). By client:",
        "",
    ]
    lines += ["| client | calls | failed | p99 steady | p99 during |", "|---|---|---|---|---|"]
    lines += [
        f"| {kind} | {own['calls']} | {own['failed']} "
        f"| {own['p99_ms']['steady']} | {own['p99_ms']['during']} |"
        for kind, own in ours["kinds"].items()
    ]
    return "\n".join(lines) + "\n"


def replaced(document: str, figures: str) -> str:
    """Return a document with other figures between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"the document has no {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def _row(summary: dict[str, Any]) -> str:
    statuses = ", ".join(f"{count} {status}" for status, count in summary["by_status"].items())
    failed = f"{summary['failed']} ({statuses})" if statuses else "0"
    p99 = summary["p99_ms"]
    cells = [summary["way"], summary["upgrades"], summary["seconds_command"], summary["calls"]]
    cells += [failed, p99["steady"], p99["during"], summary["p99_ratio"]]
    return f"| {' | '.join(map(str, cells))} |"


def _p99(calls: list[Call]) -> float | None:
    return _percentile(calls, 0.99)


def _percentile(calls: list[Call], rank: float) -> float | None:
    """Return a percentile in milliseconds, without the seconds that calls asked to wait."""
    ordered = sorted(call.excess for call in calls)
    return round(ordered[round(rank * (len(ordered) - 1))], 1) if ordered else None


def _median(seconds: Iterable[float]) -> float | None:
    values = list(seconds)
    return round(median(values), 2) if values else None
