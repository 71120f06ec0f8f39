"""Filters that judge a release by what the service's own client saw of it during a switch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

# Calls of the release before that are enough to say how quick it was.
COMPARABLE_CALLS = 20
KINDS = {"persistent": "open connections", "fresh": "fresh connections"}
# What is kept of a proof: figures, and of the first failure nothing that anybody said.
KEPT = ("calls", "failed", "wrong", "seconds", "latency_ms", "releases", "by_release")
KEPT_OF_FAILURE = ("at", "status", "release", "request_id")
KEPT_MOMENTS = 120

Companion = Mapping[str, Any]
Summary = dict[str, Any]


def summary(companion: Companion) -> Summary:
    """Return the client's last word: its summary, else its last line of progress, else nothing."""
    lines = [companion.get("stdout") or "", *reversed((companion.get("stderr") or "").splitlines())]
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "calls" in found:
            return found
    return {}


def proof_answers(companion: Companion, release: str) -> int:
    """Return how many calls a release has answered."""
    return int(summary(companion).get("releases", {}).get(release, 0))


def proof_failed_since(companion: Companion, began: str) -> bool:
    """Tell whether the first failed call began after a moment, in ISO format and UTC."""
    failure = summary(companion).get("first_failure")
    return failure is not None and _moment(failure["at"]) >= _moment(began)


def proof_failures(companion: Companion) -> list[str]:
    """Return what went wrong with the calls themselves, in sentences."""
    seen = summary(companion)
    if not seen:
        code, said = companion.get("exit_code"), (companion.get("stderr") or "").strip()[-600:]
        return [f"the client could not call: it ended with {code} and said: {said or 'nothing'}"]
    failure = seen.get("first_failure")
    if failure is None:
        return []
    bad = seen.get("failed", 0) + seen.get("wrong", 0)
    answered = f"{failure['release']} answered" if failure.get("release") else "nobody answered"
    first, message = f"{failure['status']} ({answered})", str(failure["message"])
    if str(failure["request_id"]) not in message:
        first += f", request id {failure['request_id']}"
    said = f"The first, at {failure.get('at')}: {first}: {message}"
    return [f"{bad} of {seen['calls']} calls failed or were answered wrongly. {said}"]


def proof_findings(
    companion: Companion, release: Mapping[str, Any], limits: Mapping[str, Any]
) -> list[str]:
    """Return what else is wrong with a release, in sentences; nothing when it is proven.

    `release` has its `id`, and the `state` and `restarts` of its unit. `limits` has `calls` (the
    least number of its answers), `p99_ms`, and `slowdown`: how many times slower than the release
    before half of its calls may be, over fresh and over open connections each: a handshake hides
    how quick a handler is.
    """
    name, seen = str(release["id"]), summary(companion)
    return [
        *_unit(release),
        *_too_few(proof_answers(companion, name), name, int(limits["calls"])),
        *_too_slow(seen, name, limits),
    ]


def proof_summary(companion: Companion, release: str, seconds: Mapping[str, float]) -> str:
    """Return one sentence on a proof that has passed; `seconds` is what the switch took."""
    seen = summary(companion)
    answers, calls = proof_answers(companion, release), seen.get("calls")
    p99 = (seen.get("latency_ms") or {}).get("p99")
    took = f", {seconds['switched']:.2f} s after the switch began" if seconds else ""
    proven = f"it answered {answers} of {calls} calls, all right, p99 {p99} ms"
    return f"{release} took over{took}; {proven}"


def proof_calls(companion: Companion | None) -> int | None:
    """Return how many calls a proof made; None when there was none."""
    return summary(companion or {}).get("calls")


def proof_record(
    companion: Companion, switched: Mapping[str, Any], run: Mapping[str, Any]
) -> Summary:
    """Return what to keep of a proof: the run, its figures over time, and when the switch was.

    `switched` is what the host answered to the switch; it is empty when there was none.
    """
    seen = summary(companion)
    failure = seen.get("first_failure")
    took, at = switched.get("seconds", {}), switched.get("at")
    moments = {}
    if took and at is not None:
        began = at - took["switched"]
        moments = {"began": began, "ready": began + took["ready"], "switched": at}
    return {
        **run,
        **{key: seen.get(key) for key in KEPT},
        "first_failure": failure and {key: failure.get(key) for key in KEPT_OF_FAILURE},
        "moments": {name: round(moment, 3) for name, moment in moments.items()},
        "progress": _progress(companion),
    }


def _progress(companion: Companion) -> list[Summary]:
    """Return the sums at some moments while it called, as many as a picture shows."""
    found = []
    for line in (companion.get("stderr") or "").splitlines():
        seen = summary({"stdout": line})
        if "at" in seen:
            bad = seen.get("failed", 0) + seen.get("wrong", 0)
            kept = {key: seen.get(key) for key in ("at", "calls", "releases")}
            found.append({**kept, "bad": bad})
    every = -(-len(found) // KEPT_MOMENTS) or 1
    return [*found[:-1:every], *found[-1:]]


def _unit(release: Mapping[str, Any]) -> list[str]:
    if release["state"] != "active":
        return [f"it does not run: its unit is {release['state']}"]
    if release["restarts"]:
        return [f"it has ended by itself and was started again, {release['restarts']} times"]
    return []


def _too_few(answers: int, name: str, least: int) -> list[str]:
    if answers >= least:
        return []
    return [f"{name} has answered {answers} calls, too few to judge it: {least} are needed"]


def _too_slow(seen: Summary, name: str, limits: Mapping[str, Any]) -> list[str]:
    by_release: dict[str, dict[str, Any]] = seen.get("by_release", {})
    mine = by_release.get(name, {})
    found = [
        f"its p99 over {kind} connections was {figures['p99']} ms: the limit is {limits['p99_ms']}"
        for kind, figures in mine.items()
        if figures["p99"] > limits["p99_ms"]
    ]
    others = [kinds for other, kinds in by_release.items() if other != name]
    for before in others[:1]:
        found += [
            _slower(kind, before[kind]["p50"], mine[kind]["p50"], limits["slowdown"])
            for kind in KINDS
            if _comparable(before, kind)
            and _comparable(mine, kind)
            and mine[kind]["p50"] > before[kind]["p50"] * limits["slowdown"]
        ]
    return found


def _comparable(figures: Mapping[str, Any], kind: str) -> bool:
    return bool(figures.get(kind, {}).get("calls", 0) >= COMPARABLE_CALLS)


def _slower(kind: str, usual: float, now: float, limit: float) -> str:
    return (
        f"half of its calls over {KINDS[kind]} took more than {now} ms, with the release before"
        f" {usual} ms: the limit is {limit} times as much"
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class FilterModule:
    """Offers the filters to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by their names."""
        return {
            function.__name__: function
            for function in (
                proof_answers,
                proof_calls,
                proof_failed_since,
                proof_failures,
                proof_findings,
                proof_record,
                proof_summary,
            )
        }
