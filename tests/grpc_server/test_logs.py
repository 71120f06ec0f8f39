"""The service's log on a host: what is asked of journalctl, and what becomes of its entries."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from grpc_switch import __main__ as program
from grpc_switch import config as configuration
from grpc_switch.config import Config
from grpc_switch.logs import Wanted, last_minute, logs, parse, percentile
from grpc_switch.system import RefusedError

CONFIG = Config("saudacao", 50051, (50061, 50069), "python3.11", "saudacao.check", "name")
JOURNALCTL = """\
#!/bin/sh
printf '%s\\n' "$@" > {folder}/arguments
cat {folder}/entries
cat {folder}/complaint >&2
exit $(cat {folder}/code)
"""


def call(number: int, code: str = "OK", **fields: object) -> str:
    """Return a call's entry as journalctl --output=json prints it."""
    message: dict[str, object] = {"time": "t", "level": "info", "event": "call"}
    message |= {"request_id": f"id-{number}"}
    message |= {"code": code, "duration_ms": float(number), **fields}
    return entry(json.dumps(message), number)


def entry(message: object, number: int = 0, **fields: str) -> str:
    stamp = 1_795_628_516_000_000 + number
    return json.dumps({"__REALTIME_TIMESTAMP": str(stamp), "MESSAGE": message, **fields})


class Journal:
    """A journalctl that says what it is told to, and remembers its arguments."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "journalctl").write_text(JOURNALCTL.format(folder=folder))
        (folder / "journalctl").chmod(0o755)
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        self.say()

    def say(self, *entries: str, complaint: str = "", code: int = 0) -> None:
        """Say this from now on."""
        texts = {"entries": "".join(f"{line}\n" for line in entries)}
        for name, text in {**texts, "complaint": complaint, "code": str(code)}.items():
            (self.folder / name).write_text(text)

    @property
    def arguments(self) -> list[str]:
        """What it was last asked."""
        return (self.folder / "arguments").read_text().splitlines()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    return Journal(tmp_path, monkeypatch)


def ids(**wanted: Any) -> list[str]:
    return [item["fields"].get("request_id", "") for item in logs(CONFIG, Wanted(**wanted))]


def test_the_last_lines_come_the_oldest_first(journal: Journal) -> None:
    journal.say(*map(call, range(5)))
    assert ids(lines=2) == ["id-3", "id-4"]


def test_lines_are_chosen_by_request_id(journal: Journal) -> None:
    journal.say(*map(call, range(5)))
    assert ids(request_id="id-2", lines=1) == ["id-2"]


def test_a_level_chooses_what_is_as_severe_or_more(journal: Journal) -> None:
    lines = [call(n, level=level) for n, level in enumerate(["info", "warning", "error"])]
    journal.say(*lines, entry("Main process exited", PRIORITY="3"), entry("Started", PRIORITY="6"))
    assert ids(level="warning") == ["id-1", "id-2", ""]


@pytest.mark.parametrize("hostile", ["$(touch /tmp/x)", "; reboot", "--file=/etc/shadow", "a b"])
def test_a_time_is_one_argument_whatever_it_says(journal: Journal, hostile: str) -> None:
    ids(since=hostile, until=hostile)
    assert journal.arguments[-2:] == [f"--since={hostile}", f"--until={hostile}"]


def test_a_time_that_journalctl_refuses_is_refused_in_its_words(journal: Journal) -> None:
    journal.say(complaint="Failed to parse timestamp: soon", code=1)
    with pytest.raises(RefusedError, match=r"Failed to parse timestamp: soon.* man systemd.time"):
        ids(since="soon")


def test_a_service_that_never_logged_has_an_empty_log(journal: Journal) -> None:
    journal.say(complaint="Failed to add filter for units: No data available", code=1)
    assert ids() == []


@pytest.mark.parametrize("message", [None, [72, 255], "{", '{"a": 1}', "[1]", "plain"])
def test_any_entry_can_be_read(message: object) -> None:
    found = parse(entry(message, PRIORITY="9", _SYSTEMD_UNIT="saudacao@a.service"))
    assert found["level"] == "info"
    assert found["time"] == "2026-11-25T17:41:56.000000Z"
    assert found["unit"] == "saudacao@a.service"
    assert isinstance(found["message"], str)


def test_the_last_minute_counts_calls_and_the_servers_own_errors() -> None:
    codes = {98: "INVALID_ARGUMENT", 99: "INTERNAL", 100: "RESOURCE_EXHAUSTED"}
    lines = [call(n, codes.get(n, "OK")) for n in range(1, 101)] + [entry("Started")]
    found = last_minute(map(parse, lines))
    assert (found["calls"], found["errors"]) == (100, 2)
    assert found["by_code"]["INVALID_ARGUMENT"] == 1
    assert (found["p50_ms"], found["p99_ms"]) == (50.0, 99.0)


@pytest.mark.parametrize(("values", "p99"), [([], None), ([7.0], 7.0), ([1.0, 2.0], 2.0)])
def test_percentiles_of_few_values(values: list[float], p99: float | None) -> None:
    assert percentile(values, 99) == p99


def test_the_verb_prints_a_json_list(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.say(call(1))
    monkeypatch.setattr(configuration, "load", lambda: CONFIG)
    assert program.main(["logs", "--lines", "3", "--level", "info"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["fields"]["code"] == "OK"
    assert program.main(["logs", "--lines", "0"]) == 1
    assert "not a number above 0" in capsys.readouterr().err
