"""The order of a switch: what is done before what, and what is left when a step fails."""

import json
import time
from pathlib import Path

import pytest
from grpc_switch import instances, mapping
from grpc_switch.install import DESCRIPTION
from grpc_switch.system import RefusedError

from tests.grpc_server.fake_host import FakeHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    host = FakeHost(tmp_path, monkeypatch)
    host.install("a", "b", "c")
    return host


def test_a_release_is_checked_and_enabled_before_it_is_mapped(host: FakeHost) -> None:
    host.use("a")
    answer = host.switch.switch("b", 60)
    assert host.calls == [
        "start b", "check 50062", "enable b", "nft check", "nft load", "answer 50051",
    ]  # fmt: skip
    assert answer["provisional"] is True
    assert answer["previous"] == ["a"]
    assert 0 <= answer["seconds"]["ready"] <= answer["seconds"]["switched"]
    assert 0 <= time.time() - answer["at"] < 10


def test_a_release_is_checked_by_its_id_and_settings(host: FakeHost) -> None:
    description = {"id": "a", "settings": {"SERVER_SERVICE": "own"}}
    (host.config.folder("a") / DESCRIPTION).write_text(json.dumps(description))
    host.switch.switch("a", 60)
    assert host.environments == [{"SERVER_SERVICE": "own", "SERVER_RELEASE": "a"}]


def test_the_previous_release_stays_enabled_and_serving_until_the_confirmation(
    host: FakeHost,
) -> None:
    host.use("a")
    host.switch.switch("b", 60)
    assert host.switch.instances.enabled() == {"a", "b"}
    host.calls.clear()
    host.switch.confirm("b")
    assert host.calls == ["disable a", "SIGUSR1 a"]


@pytest.mark.parametrize("failing", ["start b", "check 50062", "enable b", "nft check"])
def test_a_failure_before_the_rename_touches_nothing(host: FakeHost, failing: str) -> None:
    host.use("a")
    before = host.config.map_file.read_text()
    host.failing = failing
    with pytest.raises(RefusedError):
        host.switch.switch("b", 60)
    assert host.config.map_file.read_text() == before
    assert "nft load" not in host.calls
    assert (host.states["b"], host.states["a"]) == ("inactive", "active")
    assert host.switch.instances.enabled() == {"a"}


def test_a_public_port_that_does_not_answer_is_mapped_back(host: FakeHost) -> None:
    host.use("a")
    host.failing = "answer 50051"
    with pytest.raises(RefusedError):
        host.switch.switch("b", 60)
    assert mapping.read(host.config).release == "a"
    assert host.calls[-4:] == ["nft check", "nft load", "disable b", "stop b"]


def test_back_maps_to_the_old_release_before_the_new_one_stops(host: FakeHost) -> None:
    host.use("a")
    host.switch.switch("b", 60)
    host.calls.clear()
    host.switch.back()
    assert host.calls == ["SIGUSR2 a", "nft check", "nft load", "disable b", "stop b"]


def test_back_after_the_confirmation_lets_both_finish_their_calls(host: FakeHost) -> None:
    host.use("a")
    host.use("b")
    answer = host.switch.back()
    assert (answer["release"], answer["previous"]) == ("a", ["b"])
    assert host.calls[0] == "SIGUSR2 a"
    assert host.calls[-2:] == ["disable b", "SIGUSR1 b"]


def test_a_release_that_ends_is_marked_until_it_is_wanted_again(host: FakeHost) -> None:
    """Its unit has the mark as a condition: systemd would start one that is killed again."""
    host.use("a")
    host.use("b")
    assert [mark.name for mark in host.config.ending.iterdir()] == ["a"]
    host.switch.back()
    assert [mark.name for mark in host.config.ending.iterdir()] == ["b"]


def test_an_unconfirmed_first_release_leaves_an_empty_host(host: FakeHost) -> None:
    host.switch.switch("a", 60)
    host.switch.back()
    assert mapping.read(host.config) == mapping.Record()
    assert host.states["a"] == "inactive"
    with pytest.raises(RefusedError, match="no release to go back to"):
        host.switch.back()


def test_an_overdue_switch_is_undone_by_the_next_run(host: FakeHost) -> None:
    host.use("a")
    host.switch.switch("b", -1)
    host.switch.reconcile()
    assert mapping.read(host.config).release == "a"
    assert host.calls[-2:] == ["disable b", "SIGUSR1 b"]


def test_a_switch_over_an_unconfirmed_one_returns_to_the_proven_release_first(
    host: FakeHost,
) -> None:
    host.use("a")
    host.switch.switch("b", 60)
    assert host.switch.switch("c", 60)["previous"] == ["a"]


def test_a_switch_to_the_release_before_an_unconfirmed_one_undoes_it(host: FakeHost) -> None:
    host.use("a")
    host.switch.switch("b", 60)
    answer = host.switch.switch("a", 60)
    assert (answer["changed"], answer["provisional"]) == (True, False)
    assert mapping.read(host.config).release == "a"


def test_switching_to_the_release_in_use_starts_its_deadline_anew(host: FakeHost) -> None:
    host.use("a")
    host.switch.switch("b", 10)
    before = mapping.read(host.config).confirm_by
    answer = host.switch.switch("b", 60)
    after = mapping.read(host.config).confirm_by
    assert answer["changed"] is False
    assert before is not None
    assert after is not None
    assert after > before + 40


def test_a_release_in_use_that_was_stopped_is_started_again(host: FakeHost) -> None:
    host.use("a")
    host.states["a"] = "inactive"
    assert host.switch.switch("a", 60)["changed"] is True
    assert host.states["a"] == "active"


def test_what_an_interrupted_run_left_running_is_drained(host: FakeHost) -> None:
    host.use("a")
    host.switch.instances.start("b", 50063)
    host.switch.instances.enable("b")
    host.calls.clear()
    host.switch.reconcile()
    assert host.calls == ["disable b", "SIGUSR1 b"]


def test_a_confirmation_that_is_cut_short_is_still_watched(host: FakeHost) -> None:
    """The release before would run on beside the new one, if nobody came to end it."""
    host.use("a")
    host.switch.switch("b", 60)
    host.lines.clear()
    host.failing = "disable a"
    with pytest.raises(RefusedError):
        host.switch.confirm("b")
    assert "systemctl stop --no-block saudacao-watch.service" not in host.lines
    host.failing = ""
    host.switch.watch()
    assert host.calls[-2:] == ["disable a", "SIGUSR1 a"]


def test_a_confirmation_of_another_release_is_refused(host: FakeHost) -> None:
    host.use("a")
    host.switch.switch("b", 60)
    with pytest.raises(RefusedError, match="release a is not in use, b is"):
        host.switch.confirm("a")
    assert mapping.read(host.config).provisional


def test_a_release_is_told_its_readiness_port_where_the_host_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port, expected in (("none", 0, {}), ("some", 50052, {"READINESS_PORT": "51061"})):
        host = FakeHost(tmp_path / name, monkeypatch, port)
        host.install("a")
        host.use("a")
        lines = (host.config.instances / "a.env").read_text().splitlines()
        given = dict(line.split("=") for line in lines)
        assert given == {"SERVER_PORT": "50061", "SERVER_RELEASE": "a", **expected}
        assert host.switch.instances.port("a") == 50061


def test_a_port_whose_readiness_port_is_taken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost(tmp_path, monkeypatch, 50052)
    monkeypatch.setattr(instances, "_listening", lambda: {51061, 50062})
    assert host.switch.instances.free_port(after=None) == 50063


def test_a_host_whose_release_is_from_before_readiness_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its map file, its environment file and its release are those of an earlier program."""
    before = FakeHost(tmp_path, monkeypatch)
    before.install("a", "b")
    before.use("a")
    host = FakeHost(tmp_path, monkeypatch, 50052)
    host.states["a"] = "active"
    host.switch.reconcile()
    assert host.calls == []
    host.switch.switch("b", 60)
    assert mapping.written(host.config) == {50051: 50062, 50052: 51062}
    host.switch.undo("b")
    assert mapping.read(host.config) == mapping.Record("a", 50061)
    assert mapping.written(host.config) == {50051: 50061, 50052: 51061}


def test_a_pool_without_a_free_port_is_refused(host: FakeHost) -> None:
    for release, port in {"a": 50061, "b": 50062, "c": 50063}.items():
        host.switch.instances.start(release, port)
    with pytest.raises(RefusedError, match="every port from 50061 to 50063 is in use"):
        host.switch.instances.free_port(after=None)
