"""The runs of a deployment, as its hosts' journals have them, and the proof of its last switch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plugins.module_utils.report.plot import Mark, Plot, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST_REASON = 240
# As many as a host tells, the last ones: grpc_switch/history.py.
TOLD_RUNS = 50
SWITCHING = {"deploy", "rollback"}
MOMENTS = {
    "began": "the host begins to start the new release",
    "ready": "the new release is ready",
    "switched": "new connections go to it, and it has answered one",
}
FLAGS = dict(zip(MOMENTS, "abc", strict=True))


class Styles:
    """The classes of the releases' shapes: the newest have the first colours."""

    MOST = 4

    def __init__(self, releases: Sequence[str]) -> None:
        self.order = list(releases)

    def of(self, release: str) -> str:
        """Return the class of a release."""
        newest = self.order[::-1]
        place = newest.index(release) if release in newest else self.MOST
        return f"r{min(place, self.MOST)}"


@dataclass(frozen=True)
class Run:
    """One run on one host. `flag` is its mark in the plots, empty when it has none."""

    host: str
    id: str
    action: str
    release: str
    by: str
    commit: str
    at: datetime
    ended: datetime | None
    outcome: str
    reason: str
    calls: int | None
    flag: str = ""

    @property
    def switched(self) -> bool:
        """Whether it brought a release into use."""
        return self.outcome == "done" and self.action in SWITCHING


@dataclass(frozen=True)
class Proof:
    """What the client saw of the last switch of a host, and how the run ended."""

    host: str
    outcome: str
    release: str
    previous: str
    calls: int
    bad: int
    failure: str
    figures: list[dict[str, Any]]
    moments: list[tuple[str, str, float]]
    plot: Plot | None


def runs(
    histories: Mapping[str, Mapping[str, Any]], leases: Iterable[str], begin: float
) -> list[Run]:
    """Return the runs of all hosts, the newest first.

    Of the run that holds a lease nobody knows yet how it ends. Those that brought a release into
    use since `begin` have a flag.
    """
    held = set(leases)
    found = [
        _run(host, entry, held) for host, answer in histories.items() for entry in answer["runs"]
    ]
    found.sort(key=lambda run: (run.at, run.host))
    flags = 0
    for index, run in enumerate(found):
        if run.switched and (run.ended or run.at).timestamp() >= begin:
            flags += 1
            found[index] = replace(run, flag=str(flags))
    return found[::-1]


def born(histories: Iterable[Mapping[str, Any]]) -> float:
    """Return when the first run was; 0 when hosts remember others than those that they tell."""
    entries = [answer["runs"] for answer in histories]
    if not any(entries) or any(len(told) >= TOLD_RUNS for told in entries):
        return 0
    return min(moment(entry.get("at")).timestamp() for told in entries for entry in told)


def marks(found: Iterable[Run]) -> list[Mark]:
    """Return the marks of runs that have a flag."""
    return [Mark((run.ended or run.at).timestamp(), run.flag) for run in found if run.flag]


def _run(host: str, entry: Mapping[str, Any], held: set[str]) -> Run:
    outcome = entry.get("outcome")
    if not outcome:
        outcome = "in progress" if entry.get("id") in held else "interrupted"
    by = " from ".join(str(entry[key]) for key in ("by", "from") if entry.get(key))
    ended = entry.get("ended")
    return Run(
        host=host,
        id=str(entry.get("id", "")),
        action=str(entry.get("action") or "unknown"),
        release=str(entry.get("release") or ""),
        by=by or "unknown",
        commit=str(entry.get("commit") or ""),
        at=moment(entry.get("at")),
        ended=moment(ended) if ended else None,
        outcome=str(outcome),
        reason=said(entry.get("reason")),
        calls=entry.get("calls"),
    )


def moment(text: object) -> datetime:
    """Return the time that a text says, 1970 when it says none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def said(reason: object) -> str:
    """Return what may be shown of a reason: its first line, without what a log said.

    A reason may end with lines of the service's log, JSON that has whatever a handler wrote.
    """
    line = (str(reason or "").strip().splitlines() or [""])[0]
    before = line.partition("{")[0].rstrip(" :")
    cut = before[:LONGEST_REASON]
    return cut if cut == line else f"{cut} …"


def proof(host: str, kept: Mapping[str, Any], found: Iterable[Run], styles: Styles) -> Proof:
    """Return the proof that was kept of a host's last switch."""
    outcome = next((run.outcome for run in found if run.id == kept.get("run")), "unknown")
    bad = int(kept.get("failed") or 0) + int(kept.get("wrong") or 0)
    failure = kept.get("first_failure") or {}
    words = [str(failure[key]) for key in ("status", "at", "request_id") if failure.get(key)]
    moments = kept.get("moments") or {}
    began = moments.get("began")
    return Proof(
        host=host,
        outcome=outcome,
        release=str(kept.get("release") or ""),
        previous=str(kept.get("previous") or ""),
        calls=int(kept.get("calls") or 0),
        bad=bad,
        failure=", ".join(words),
        figures=_figures(kept.get("by_release") or {}),
        moments=[
            (FLAGS[name], MOMENTS[name], moments[name] - began)
            for name in MOMENTS
            if name in moments
        ],
        plot=_plot(host, kept, styles),
    )


def _figures(by_release: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"release": release, "kind": kind, **figures}
        for release, kinds in by_release.items()
        for kind, figures in sorted(kinds.items())
    ]


def _plot(host: str, kept: Mapping[str, Any], styles: Styles) -> Plot | None:
    """Draw the calls a second between two moments of progress, by the release that answered."""
    progress = kept.get("progress") or []
    spans = list(itertools.pairwise(progress))
    if not spans:
        return None
    moments = kept.get("moments") or {}
    first, end = float(progress[0]["at"]), float(progress[-1]["at"])
    # Where nothing ran before, nobody could call before the switch.
    begin = min(first, *moments.values(), end)
    calls = int(kept.get("calls") or 0)
    names = sorted(progress[-1]["releases"], key=lambda name: name == kept.get("release"))
    series = [Series(name, styles.of(name), _rates(spans, name)) for name in names]
    series.append(Series("failed or wrong", "bad", _rates(spans, None)))
    return Plot(
        name=f"proof-{host}",
        title=f"Calls a second during the switch of {host}",
        words=f"{calls:,} calls in {end - begin:.0f} s, by the release that answered.",
        begin=begin,
        end=end,
        series=series,
        width=max(after["at"] - before["at"] for before, after in spans),
        marks=[Mark(moments[name], FLAGS[name]) for name in MOMENTS if name in moments],
        zero=moments.get("began", begin),
    )


def _rates(
    spans: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], release: str | None
) -> list[tuple[float, float | None]]:
    """Return the calls a second that a release answered; for None, those that went wrong."""
    found: list[tuple[float, float | None]] = []
    for before, after in spans:
        if release is None:
            calls = after["bad"] - before["bad"]
        else:
            calls = after["releases"].get(release, 0) - before["releases"].get(release, 0)
        found.append((before["at"], calls / max(0.001, after["at"] - before["at"])))
    return found
