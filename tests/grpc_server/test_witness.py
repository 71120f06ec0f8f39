"""What a client that calls all the time says of a change."""

import json
from typing import Any

from tests.conftest import ROOT
from tests.grpc_server.test_proof import load

witness = load(ROOT / "roles/grpc_server/filter_plugins/witness.py")
FAILURE = {
    "request_id": "x-1", "status": "UNAVAILABLE", "release": None, "at": "2026-01-02T03:04:05.678Z",
    "message": "nobody listens",
}  # fmt: skip
BEFORE: dict[str, Any] = {
    "since": "2026-01-01T00:00:00.000Z",
    "at": "2026-01-02T03:04:00.000Z",
    "calls": 100,
    "failed": 3,
    "wrong": 1,
    "last_failure": {**FAILURE, "at": "2026-01-02T03:00:00.000Z"},
}
AFTER = {**BEFORE, "at": "2026-01-02T03:04:20.000Z", "calls": 120}
FAILED = {**AFTER, "failed": 5, "last_failure": FAILURE}


def result(status: dict[str, Any] | None) -> dict[str, Any]:
    return {"item": "i-client", "rc": 0, "stdout": json.dumps(status) if status else ""}


def findings(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    return "\n".join(witness.witness_findings([result(before)], [result(after)]))


def summary(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    return str(witness.witness_summary([result(before)], [result(after)]))


def test_a_witness_that_saw_nothing_says_how_often_it_called() -> None:
    assert findings(BEFORE, AFTER) == ""
    words = "the client on i-client made 20 calls meanwhile, all right"
    assert summary(BEFORE, AFTER) == words


def test_a_failure_meanwhile_is_told_with_status_time_and_id() -> None:
    words = findings(BEFORE, FAILED)
    assert words.startswith("The client on i-client saw it too: 2 of its 20 calls meanwhile failed")
    for part in ("UNAVAILABLE", "03:04:05.678Z", "nobody answered", "x-1", "nobody listens"):
        assert part in words


def test_a_wrong_reply_is_a_failure_too() -> None:
    assert "1 of its 20 calls" in findings(BEFORE, {**FAILED, "failed": 3, "wrong": 2})


def test_one_that_was_started_again_meanwhile_counts_from_its_start() -> None:
    again = {**FAILED, "since": "2026-01-02T03:04:10.000Z", "calls": 9, "failed": 1, "wrong": 0}
    assert "1 of its 9 calls" in findings(BEFORE, again)


def test_one_that_does_not_run_or_cannot_be_reached_is_no_witness() -> None:
    lost = {"item": "i-client", "unreachable": True, "msg": "no route"}
    assert witness.witness_findings([result(BEFORE)], [lost]) == []
    for before, after in ((BEFORE, None), (None, FAILED)):
        assert findings(before, after) == ""
        assert "it did not run, or was not reached" in summary(before, None)
    assert witness.witness_summary([], []) == "there is no other witness"


def test_one_that_failed_just_before_cannot_say_what_the_change_did() -> None:
    failing = {**BEFORE, "last_failure": {**FAILURE, "at": "2026-01-02T03:03:30.000Z"}}
    assert findings(failing, FAILED) == ""
    assert "calls of it failed just before" in summary(failing, FAILED)
