"""Adds calls up: how many, how many failed and why, how long they took."""

import threading
from array import array
from collections import Counter

from saudacao.probe import Call

# Request ids that a tally keeps, the first ones: enough to look them up in the server's log.
KEPT_IDS = 1000


class Tally:
    """The sum of a probe's calls; add() may be called from several threads."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._latencies = array("d")
        self._statuses: Counter[str] = Counter()
        self._releases: Counter[str] = Counter()
        self._ids: list[str] = []
        self._first_failure: dict[str, str] | None = None
        self.wrong = 0
        self.failed = 0

    def add(self, call: Call) -> None:
        """Count one call."""
        with self._adding:
            self._latencies.append(call.seconds)
            self._statuses[call.status] += 1
            if call.release is not None:
                self._releases[call.release] += 1
            if len(self._ids) < KEPT_IDS:
                self._ids.append(call.request_id)
            self.failed += call.failure is not None
            self.wrong += call.wrong
            if self._first_failure is None and call.problem:
                self._first_failure = _describe(call)

    @property
    def good(self) -> bool:
        """Whether there was a call, and each had its right reply."""
        return bool(self._latencies) and not (self.failed or self.wrong)

    @property
    def first_failure(self) -> dict[str, str] | None:
        """The first call that failed or was answered wrongly."""
        return self._first_failure

    def summary(self, seconds: float, *, interrupted: bool) -> dict[str, object]:
        """Return everything as one JSON object; `seconds` is how long the calls took together."""
        return {
            "calls": len(self._latencies),
            "failed": self.failed,
            "wrong": self.wrong,
            "by_status": dict(self._statuses),
            "releases": dict(self._releases),
            "latency_ms": self._percentiles(),
            "seconds": round(seconds, 3),
            "interrupted": interrupted,
            "request_ids": self._ids,
            "first_failure": self._first_failure,
        }

    def _percentiles(self) -> dict[str, float] | None:
        ordered = sorted(self._latencies)
        if not ordered:
            return None
        ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
        last = len(ordered) - 1
        return {name: round(ordered[round(rank * last)] * 1000, 3) for name, rank in ranks.items()}


def _describe(call: Call) -> dict[str, str]:
    return {
        "request_id": call.request_id,
        "status": call.status,
        "name": call.name,
        "message": call.problem or "",
    }
