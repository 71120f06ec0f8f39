"""What a host adds up of its log: by slice, by status, by release, and by how long calls took."""

import json
from pathlib import Path
from typing import Any

import pytest
from grpc_switch import __main__ as program
from grpc_switch import config as configuration
from grpc_switch.config import Config
from grpc_switch.history import LONGEST, SHORTEST, STEPS, Sums, add, history, step
from grpc_switch.system import RefusedError

BEGIN = 1_795_627_800
MINUTE = "2026-11-25T17:{:02d}:30.123Z"
CONFIG = Config("saudacao", 50051, (50061, 50069), "python3.11", "saudacao.check", "name")
JOURNALCTL = "#!/bin/sh\nprintf '%s\\n' \"$@\" > {folder}/arguments\ncat {folder}/log\n"


def call(minute: int = 30, **fields: Any) -> str:
    """Return the line that a call leaves in the log."""
    line: dict[str, Any] = {"time": MINUTE.format(minute), "level": "info", "event": "call"}
    line |= {
        "release": "r1",
        "request_id": "secret-1",
        "peer": "ipv4:192.0.2.7:1",
        "code": "OK",
        "duration_ms": 1.0,
    }
    return json.dumps({**line, **fields}, separators=(",", ":"))


def sums(*lines: str) -> Sums:
    found = Sums(BEGIN, 60)
    add(found, lines)
    return found


def test_calls_are_added_up_by_slice() -> None:
    found = sums(call(31), call(30, code="INTERNAL", release="r2"), call(30, duration_ms=4.0))
    assert list(found.slices) == [BEGIN + 60, BEGIN]
    first = found.slices[BEGIN]
    assert first.codes == {"INTERNAL": 1, "OK": 1}
    assert first.releases == {"r1": 1, "r2": 1}
    assert first.took == {0: 1, 2 * STEPS: 1}


@pytest.mark.parametrize(
    "line", ["", '"call"', '{"event": "call"', '["call"]', '{"event":"x","a":"call"}', call(29)]
)
def test_other_lines_and_earlier_ones_do_not_count(line: str) -> None:
    assert sums(line).slices == {}


@pytest.mark.parametrize("hostile", ["<script>", ["OK"], None, {"a": 1}, 7, "x" * 200])
def test_what_is_no_status_and_no_release_is_not_repeated(hostile: object) -> None:
    (found,) = sums(call(code=hostile, release=hostile, duration_ms=hostile)).slices.values()
    assert found.codes == {"UNKNOWN": 1}
    assert found.releases == {"unknown": 1}


def test_many_releases_do_not_make_a_long_answer() -> None:
    (found,) = sums(*(call(release=f"r{n}") for n in range(500))).slices.values()
    assert len(found.releases) == 31
    assert found.releases["others"] == 470


@pytest.mark.parametrize(
    ("milliseconds", "found"),
    [(0, SHORTEST), (-1, SHORTEST), (float("nan"), SHORTEST), (float("inf"), LONGEST), (1, 0),
     (1e-9, SHORTEST), (1e9, LONGEST), (1.01, 1), (2, STEPS)],
)  # fmt: skip
def test_durations_are_counted_in_steps(milliseconds: float, found: int) -> None:
    assert step(milliseconds) == found


def test_without_time_for_all_the_newest_count_and_the_answer_says_since_when() -> None:
    lines = [call(59 - n // 1000) for n in range(20_000)]
    found = Sums(BEGIN, 60)
    since = add(found, lines, seconds=-1)
    assert since == BEGIN + 30 * 60
    assert add(Sums(BEGIN, 60), lines) == BEGIN


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that journalctl prints."""
    (tmp_path / "journalctl").write_text(JOURNALCTL.format(folder=tmp_path))
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("grpc_switch.history.time.time", lambda: BEGIN + 1800.0)
    return tmp_path / "log"


def test_the_verb_sends_sums_and_no_line(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log.write_text("Started.\n" + f"{call(45)}\n" * 1000)
    monkeypatch.setattr(configuration, "load", lambda: Config(**vars(CONFIG) | {"root": tmp_path}))
    assert program.main(["history", "--hours", "0.5"]) == 0
    said = capsys.readouterr().out
    answer = json.loads(said)
    assert (answer["begin"], answer["since"], answer["width"]) == (BEGIN, BEGIN, 60)
    assert answer["slices"] == [
        {"at": BEGIN + 900, "codes": {"OK": 1000}, "releases": {"r1": 1000}, "took": {"0": 1000}}
    ]
    assert answer["runs"] == []
    assert "secret" not in said
    assert "192.0.2.7" not in said
    asked = (tmp_path / "arguments").read_text().splitlines()
    assert asked[-4:] == [
        "--output=cat", "--reverse", "--unit=saudacao@*.service", f"--since=@{BEGIN}"
    ]  # fmt: skip


@pytest.mark.parametrize(("hours", "width"), [(1, 60), (6, 60), (24, 300), (336, 3600)])
def test_longer_times_have_wider_slices(
    log: Path, tmp_path: Path, hours: float, width: int
) -> None:
    log.write_text("")
    answer = history(Config(**vars(CONFIG) | {"root": tmp_path}), hours)
    assert answer["width"] == width
    assert answer["now"] - answer["begin"] >= hours * 3600


@pytest.mark.parametrize("hours", [0, -1, 337, float("nan")])
def test_a_time_that_cannot_be_is_refused(hours: float) -> None:
    with pytest.raises(RefusedError, match="above 0"):
        history(CONFIG, hours)
