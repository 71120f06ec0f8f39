"""Filters that ask a client which calls all the time what it saw of a change.

Each takes what its host answered before and after the change: the results of a loop over hosts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

# A client that failed so shortly before the change cannot say whether the change did it.
CALM_SECONDS = 60.0
COUNTS = ("calls", "failed", "wrong")

Result = Mapping[str, Any]
Status = dict[str, Any]


def witness_findings(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """Return what went wrong with a witness's calls meanwhile, in sentences."""
    return [
        f"The client on {host} saw it too: {bad} of its {seen['calls']} calls meanwhile failed or"
        f" were answered wrongly. {_last(status)}"
        for host, status, seen in _seen(before, after)
        if seen and (bad := seen["failed"] + seen["wrong"])
    ]


def witness_summary(before: Sequence[Result], after: Sequence[Result]) -> str:
    """Return what the witnesses of a change that passed say, in sentences."""
    said = [
        f"the client on {host} made {seen['calls']} calls meanwhile, all right"
        if seen
        else f"the client on {host} is no witness, since {_why(status)}"
        for host, status, seen in _seen(before, after)
    ]
    return "; ".join(said) or "there is no other witness"


def _seen(
    before: Sequence[Result], after: Sequence[Result]
) -> Iterator[tuple[str, Status, dict[str, int]]]:
    """Yield host, its client's last word, and what it counted meanwhile; {} when it cannot say."""
    earlier = {result["item"]: _status(result) for result in before if "item" in result}
    for result in after:
        if "item" not in result:
            continue
        host, status = result["item"], _status(result)
        then = earlier.get(host, {})
        if not (status and then and _is_calm(then)):
            yield host, status, {}
            continue
        # One that was started again meanwhile counts from its start.
        base = then if then["since"] == status["since"] else dict.fromkeys(COUNTS, 0)
        yield host, status, {key: status[key] - base[key] for key in COUNTS}


def _is_calm(status: Status) -> bool:
    failure = status["last_failure"]
    if failure is None:
        return True
    passed = datetime.fromisoformat(status["at"]) - datetime.fromisoformat(failure["at"])
    return passed.total_seconds() > CALM_SECONDS


def _status(result: Result) -> Status:
    try:
        found = json.loads(result.get("stdout") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last(status: Status) -> str:
    failure = status["last_failure"]
    answered = f"{failure['release']} answered" if failure["release"] else "nobody answered"
    first = f"{failure['status']} ({answered}), request id {failure['request_id']}"
    return f"The last, at {failure['at']}: {first}: {failure['message']}"


def _why(status: Status) -> str:
    return "calls of it failed just before" if status else "it did not run, or was not reached"


class FilterModule:
    """Offers the filters to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by their names."""
        return {function.__name__: function for function in (witness_findings, witness_summary)}
