"""How a release is judged by what the client saw."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

PATH = ROOT / "roles/grpc_server/filter_plugins/proof.py"
LIMITS = {"calls": 100, "p99_ms": 1000, "slowdown": 5}
GOOD = {"id": "new", "state": "active", "restarts": 0}
FAILURE = {
    "request_id": "x-1", "status": "UNAVAILABLE", "release": None, "at": "2026-01-02T03:04:05.678Z",
    "message": "nobody listens",
}  # fmt: skip


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("proof", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


proof = load(PATH)


def seen(**changes: Any) -> dict[str, Any]:
    """What a companion says of a client that saw nothing wrong, changed."""
    summary: dict[str, Any] = {
        "calls": 600,
        "failed": 0,
        "wrong": 0,
        "releases": {"old": 350, "new": 250},
        "by_release": {
            "old": {
                "persistent": {"calls": 300, "p50": 2.0, "p99": 20.0},
                "fresh": {"calls": 50, "p50": 10.0, "p99": 40.0},
            },
            "new": {"fresh": {"calls": 250, "p50": 11.0, "p99": 50.0}},
        },
        "latency_ms": {"p99": 42.0},
        "first_failure": None,
    }
    return {"exit_code": 0, "stdout": json.dumps({**summary, **changes}), "stderr": ""}


def findings(companion: dict[str, Any], release: dict[str, Any] = GOOD) -> str:
    failures = proof.proof_failures(companion)
    return "\n".join(failures or proof.proof_findings(companion, release, LIMITS))


def test_a_release_that_answers_all_is_proven() -> None:
    assert findings(seen()) == ""
    words = proof.proof_summary(seen(), "new", {"switched": 0.714})
    assert words.startswith("new took over, 0.71 s after the switch began; it answered 250 of 600")


def test_the_first_failure_is_told_with_status_time_release_and_id() -> None:
    words = findings(seen(failed=2, first_failure=FAILURE))
    assert words.startswith("2 of 600 calls failed")
    for part in ("UNAVAILABLE", "03:04:05.678Z", "nobody answered", "x-1", "nobody listens"):
        assert part in words


def test_an_id_that_the_message_has_is_not_told_twice() -> None:
    failure = FAILURE | {"message": "nobody listens (request id x-1)"}
    assert findings(seen(failed=1, first_failure=failure)).count("x-1") == 1


def test_a_failure_before_the_switch_is_not_the_new_releases() -> None:
    companion = seen(failed=1, first_failure=FAILURE)
    assert proof.proof_failed_since(companion, "2026-01-02T03:04:05.000Z")
    assert not proof.proof_failed_since(companion, "2026-01-02T03:04:06.000Z")
    assert not proof.proof_failed_since(seen(), "2026-01-02T03:04:05.000Z")


def test_too_few_answers_judge_nothing() -> None:
    assert "too few to judge it: 100 are needed" in findings(seen(releases={"new": 99}))


@pytest.mark.parametrize(
    ("kind", "figures", "words"),
    [
        ("fresh", {"calls": 250, "p50": 51.0, "p99": 60.0}, "fresh connections took more than"),
        ("persistent", {"calls": 20, "p50": 11.0, "p99": 60.0}, "the limit is 5 times as much"),
        ("fresh", {"calls": 250, "p50": 11.0, "p99": 1001.0}, "the limit is 1000"),
    ],
)
def test_a_slow_release_is_found_whatever_the_old_one_adds(
    kind: str, figures: dict[str, float], words: str
) -> None:
    by_release = json.loads(seen()["stdout"])["by_release"]
    by_release["new"][kind] = figures
    assert words in findings(seen(by_release=by_release))


def test_a_few_calls_are_no_reason_to_call_a_release_slow() -> None:
    by_release = json.loads(seen()["stdout"])["by_release"]
    by_release["new"]["persistent"] = {"calls": 19, "p50": 500.0, "p99": 900.0}
    assert findings(seen(by_release=by_release)) == ""


def test_a_release_that_systemd_had_to_start_again_is_found() -> None:
    assert "started again, 2 times" in findings(seen(), {**GOOD, "restarts": 2})
    assert "its unit is failed" in findings(seen(), {**GOOD, "state": "failed"})


def test_a_client_that_could_not_start_is_told_with_its_words() -> None:
    words = findings({"exit_code": 2, "stdout": "", "stderr": "no such configuration"})
    assert words == "the client could not call: it ended with 2 and said: no such configuration"


def test_a_client_that_still_calls_is_judged_by_its_last_line_of_progress() -> None:
    progress = [json.dumps({"calls": n, "releases": {"new": n}}) for n in (1, 120)]
    companion = {"exit_code": None, "stdout": "", "stderr": "\n".join(["warning", *progress, ""])}
    assert proof.proof_answers(companion, "new") == 120
    assert proof.proof_calls(companion) == 120
    assert proof.proof_calls({}) is None


RUN = {"run": "1", "action": "deploy", "release": "new", "previous": "old"}


def test_of_a_proof_the_figures_and_moments_are_kept_and_nothing_that_anybody_said() -> None:
    progress = [{"calls": n, "at": 100.0 + n, "releases": {"new": n}} for n in range(300)]
    companion = seen(failed=2, first_failure={**FAILURE, "name": "Maria"}, request_ids=["q"])
    companion["stderr"] = "\n".join(["warning", *map(json.dumps, progress)])
    switched = {"at": 150.0, "seconds": {"ready": 0.4, "switched": 0.7}}
    record = proof.proof_record(companion, switched, RUN)
    assert record["moments"] == {"began": 149.3, "ready": 149.7, "switched": 150.0}
    assert (record["calls"], record["failed"], record["run"]) == (600, 2, "1")
    assert len(record["progress"]) <= 121
    assert record["progress"][-1] == {"at": 399.0, "calls": 299, "releases": {"new": 299}, "bad": 0}
    for word in ("Maria", "nobody listens", "request_ids"):
        assert word not in json.dumps(record)


def test_a_proof_of_a_client_that_says_little_is_kept_too() -> None:
    record = proof.proof_record(seen(), {}, RUN)
    assert (record["moments"], record["progress"], record["first_failure"]) == ({}, [], None)
    assert proof.proof_record({}, {}, RUN)["calls"] is None
