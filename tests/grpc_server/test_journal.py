"""The host's journal: what was intended, how it ended, and what was interrupted."""

from pathlib import Path

import pytest
from grpc_switch import journal
from grpc_switch.config import Config
from grpc_switch.system import RefusedError

from tests.grpc_server.fake_host import FakeHost

INTENT = {"action": "deploy", "release": "a", "by": "ana", "from": "laptop", "commit": "abc"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    host = FakeHost(tmp_path, monkeypatch)
    host.install("a", "b")
    return host


@pytest.fixture
def config(host: FakeHost) -> Config:
    return host.config


def test_an_intent_and_its_outcome_are_one_run(config: Config) -> None:
    journal.begin(config, "one", INTENT)
    journal.end(config, "one", {"outcome": "done", "reason": None, "calls": 7})
    (run,) = journal.runs(config)
    assert run | INTENT == run
    assert (run["outcome"], run["calls"]) == ("done", 7)
    assert run["at"] <= run["ended"]


def test_an_intent_alone_has_no_outcome(config: Config) -> None:
    journal.begin(config, "one", INTENT)
    assert journal.runs(config)[0]["outcome"] is None


def test_half_a_line_spoils_no_other(config: Config) -> None:
    journal.begin(config, "one", INTENT)
    with config.journal.open("a") as file:
        file.write('{"id": "tw')
    journal.begin(config, "three", INTENT)
    assert [run["id"] for run in journal.runs(config)] == ["one", "three"]


def test_the_last_run_that_brought_a_release_into_use_is_known(config: Config) -> None:
    for number, action, outcome in ((1, "deploy", "done"), (2, "rollback", "failed")):
        journal.begin(config, str(number), {**INTENT, "action": action})
        journal.end(config, str(number), {"outcome": outcome})
    assert journal.deployments(config)["a"]["id"] == "1"


def test_a_switch_that_the_host_undoes_is_journaled_under_its_run(host: FakeHost) -> None:
    host.use("a")
    journal.begin(host.config, "one", {**INTENT, "release": "b"})
    host.switch.switch("b", -1, "one")
    host.switch.reconcile()
    journal.end(host.config, "one", {"outcome": "failed", "reason": "later"})
    (run,) = journal.runs(host.config)
    assert run["outcome"] == "undone"
    assert "b was not confirmed in time" in run["reason"]


def test_a_journal_that_cannot_be_written_is_named(config: Config) -> None:
    config.journal.mkdir(parents=True)
    with pytest.raises(RefusedError, match=r"journal\.jsonl could not be written"):
        journal.begin(config, "one", INTENT)


def test_a_journal_that_cannot_be_written_keeps_no_host_from_going_back(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.use("a")
    host.switch.switch("b", -1, "one")
    host.config.journal.mkdir(parents=True)
    host.switch.reconcile()
    assert host.calls[-2:] == ["disable b", "SIGUSR1 b"]
    assert "b was not confirmed in time" in capsys.readouterr().err
