"""Who deployed what, and which run was interrupted: from the host's journal and its lease."""

from typing import Any

import pytest
from grpc_switch.journal import interrupted
from grpc_switch.report import deployed


def run(number: int, outcome: str | None = "done", **values: Any) -> dict[str, Any]:
    """Return a run as `grpc-switch journal` shows it."""
    return {
        "id": f"run{number}", "at": f"2026-11-25T17:4{number}:00Z", "action": "deploy",
        "release": "r1", "by": "ana", "from": "laptop", "commit": "abc1234", "outcome": outcome,
        "ended": f"2026-11-25T17:4{number}:30Z", **values,
    }  # fmt: skip


def test_the_last_run_that_brought_the_release_is_named() -> None:
    runs = [run(1), run(2, release="r2"), run(3, action="rollback"), run(4, action="rotate")]
    assert deployed(runs, "r1") == {
        "since": "2026-11-25T17:43:30Z", "action": "rollback", "by": "ana", "from": "laptop",
        "commit": "abc1234",
    }  # fmt: skip


@pytest.mark.parametrize("release", ["r2", "unheard of", None])
def test_a_run_that_failed_did_not_bring_a_release(release: str | None) -> None:
    assert deployed([run(1), run(2, "undone", release="r2")], release) is None


def test_a_run_without_an_end_is_interrupted_unless_it_holds_the_lease() -> None:
    runs = [run(1), run(2, None)]
    assert interrupted(runs, None) == [run(2, None)]
    assert interrupted(runs, {"id": "run2"}) == []
    assert interrupted(runs, {"id": "run3"}) == [run(2, None)]


def test_an_interrupted_run_is_history_once_another_has_ended() -> None:
    assert interrupted([run(1, None), run(2)], None) == []
