"""Adds calls up: how many, how many failed and why, how long they took."""

import threading
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain

from saudacao.probe import Call

# Request ids that a tally keeps, the first ones: enough to look them up in the server's log.
KEPT_IDS = 1000
RANKS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
KINDS = {"persistent": False, "fresh": True}


class Tally:
    """The sum of a probe's calls; add() may be called from several threads."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        # Seconds, by the release that answered (None: nothing did) and by whether the connection
        # was fresh.
        self._seconds: Mapping[tuple[str | None, bool], array[float]]
        self._seconds = defaultdict(lambda: array("d"))
        self._statuses: Counter[str] = Counter()
        self._ids: list[str] = []
        self._first_failure: dict[str, str | None] | None = None
        self.calls = 0
        self.wrong = 0
        self.failed = 0

    def add(self, call: Call) -> None:
        """Count one call."""
        with self._adding:
            self.calls += 1
            self._seconds[call.release, call.fresh].append(call.seconds)
            self._statuses[call.status] += 1
            if len(self._ids) < KEPT_IDS:
                self._ids.append(call.request_id)
            self.failed += call.failure is not None
            self.wrong += call.wrong
            if self._first_failure is None and call.problem:
                self._first_failure = describe(call)

    @property
    def good(self) -> bool:
        """Whether there was a call, and each had its right reply."""
        return self.calls > 0 and not (self.failed or self.wrong)

    @property
    def first_failure(self) -> dict[str, str | None] | None:
        """The first call that failed or was answered wrongly."""
        return self._first_failure

    def summary(self, seconds: float, *, interrupted: bool) -> dict[str, object]:
        """Return everything as one JSON object; `seconds` is how long the calls took together."""
        with self._adding:
            releases = sorted({release for release, _ in self._seconds if release is not None})
            latencies = sorted(chain.from_iterable(self._seconds.values()))
            return {
                "calls": self.calls,
                "failed": self.failed,
                "wrong": self.wrong,
                "by_status": dict(self._statuses),
                "releases": {release: self._count(release) for release in releases},
                "by_release": {release: self._kinds(release) for release in releases},
                "latency_ms": percentiles(latencies, *RANKS) if latencies else None,
                "seconds": round(seconds, 3),
                "interrupted": interrupted,
                "request_ids": self._ids,
                "first_failure": self._first_failure,
            }

    def _count(self, release: str) -> int:
        return sum(len(seconds) for (name, _), seconds in self._seconds.items() if name == release)

    def _kinds(self, release: str) -> dict[str, dict[str, float]]:
        found = {
            kind: sorted(self._seconds.get((release, fresh), ())) for kind, fresh in KINDS.items()
        }
        return {
            kind: {"calls": len(ordered), **percentiles(ordered, "p50", "p99")}
            for kind, ordered in found.items()
            if ordered
        }


def percentiles(ordered: list[float], *names: str) -> dict[str, float]:
    """Return percentiles in milliseconds of a sorted list that is not empty."""
    last = len(ordered) - 1
    return {name: round(ordered[round(RANKS[name] * last)] * 1000, 3) for name in names}


def describe(call: Call) -> dict[str, str | None]:
    """Return a call that went wrong as a JSON object."""
    began = datetime.fromtimestamp(call.began, UTC).isoformat(timespec="milliseconds")
    return {
        "request_id": call.request_id,
        "status": call.status,
        "name": call.name,
        "message": call.problem,
        "release": call.release,
        "at": began.replace("+00:00", "Z"),
    }
