"""Who deployed what, which run was interrupted, and who holds the lease: from the host's files."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from grpc_switch.report import deployed, interrupted, read_journal, read_lease


def begin(number: int, action: str = "deploy", release: str | None = "r1") -> dict[str, Any]:
    return {
        "id": f"run{number}", "event": "begin", "at": f"2026-11-25T17:4{number}:00Z",
        "action": action, "release": release, "by": "ana", "from": "laptop", "commit": "abc1234",
    }  # fmt: skip


def end(number: int, outcome: str = "done") -> dict[str, Any]:
    at = f"2026-11-25T17:4{number}:30Z"
    return {"id": f"run{number}", "event": "end", "at": at, "outcome": outcome, "calls": 9}


FIRST = [begin(1), end(1)]


def test_the_last_run_that_brought_the_release_is_named() -> None:
    entries = [*FIRST, begin(2, release="r2"), end(2), begin(3, "rollback"), end(3)]
    assert deployed(entries, "r1") == {
        "since": "2026-11-25T17:43:30Z", "action": "rollback", "by": "ana", "from": "laptop",
        "commit": "abc1234",
    }  # fmt: skip


@pytest.mark.parametrize("release", ["r2", "unheard of", None])
def test_a_run_that_failed_did_not_bring_a_release(release: str | None) -> None:
    entries = [*FIRST, begin(2, release="r2"), end(2, "undone")]
    assert deployed(entries, release) is None


def test_a_run_without_an_end_is_interrupted_unless_it_holds_the_lease() -> None:
    entries = [*FIRST, begin(2)]
    assert interrupted(entries, None) == [begin(2)]
    assert interrupted(entries, {"id": "run2"}) == []
    assert interrupted(entries, {"id": "run3"}) == [begin(2)]


def test_an_interrupted_run_is_history_once_another_has_ended() -> None:
    assert interrupted([begin(1), begin(2), end(2)], None) == []


def test_half_a_line_of_the_journal_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(begin(1)) + "\n[]\n" + '{"id": "ru')
    assert read_journal(path) == [begin(1)]
    assert read_journal(tmp_path / "none") == []


def test_a_lease_that_has_lapsed_or_cannot_be_read_is_held_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lease.json"
    assert read_lease(path) is None
    path.write_text("{")
    assert read_lease(path) is None
    path.write_text(json.dumps({"id": "run1", "until": time.time() - 1}))
    assert read_lease(path) is None
    path.write_text(json.dumps({"id": "run1", "until": time.time() + 30}))
    lease = read_lease(path)
    assert lease
    assert 29 < lease["seconds_left"] <= 30
