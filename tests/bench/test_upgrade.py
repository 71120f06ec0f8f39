"""How the bench of upgrades reads its calls."""

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.upgrade.caller import Plan
from bench.upgrade.figures import BEGIN, END, Result, replaced, table
from bench.upgrade.load import Call
from bench.upgrade.service.saudacao_bench import register
from bench.upgrade.ways import Window
from tests.app.pki import Authority
from tests.app.running import serve, until
from tests.conftest import ROOT

FILES = ("ca_file", "certificate_file", "key_file")
UPGRADE = Window(begun=10, done=12, ended=15)


def call(began: float, seconds: float = 0.005, asked: float = 0, status: str = "OK") -> Call:
    return Call("py fresh", began, seconds, asked, status, "")


def summary(*calls: Call) -> dict[str, Any]:
    return Result("ours", [UPGRADE], list(calls)).summary()


@pytest.mark.parametrize(
    ("made", "part"),
    [
        (call(9), "steady"),
        (call(9, seconds=1.5, asked=1.495), "switch"),
        (call(11), "switch"),
        (call(12.5), "drain"),
        (call(15.1), "steady"),
    ],
    ids=["before", "open when it began", "in it", "while the old one ends", "after"],
)
def test_a_call_counts_where_it_was_open(made: Call, part: str) -> None:
    p99 = summary(made)["p99_ms"]
    assert {name: p99[name] for name in ("steady", "switch", "drain")} == {
        "steady": None,
        "switch": None,
        "drain": None,
        part: 5.0,
    }


def test_the_ratio_compares_the_upgrades_with_the_rest() -> None:
    assert summary(call(1, 0.010), call(11, 0.012), call(13, 0.015))["p99_ratio"] == 1.5


def test_failures_are_counted_by_status_and_shown() -> None:
    found = summary(call(1), call(11, status="UNAVAILABLE"), call(12, status="WRONG"))
    assert (found["failed"], found["by_status"]) == (2, {"UNAVAILABLE": 1, "WRONG": 1})
    assert "| 2 (1 UNAVAILABLE, 1 WRONG) |" in table([found], {"Date": "today"})


def test_only_the_figures_of_the_document_change() -> None:
    document = f"before\n{BEGIN}old\n{END}after\n"
    assert replaced(document, "new") == f"before\n{BEGIN}\nnew\n{END}after\n"
    with pytest.raises(ValueError, match="figures: begin"):
        replaced("no markers", "new")


def test_the_caller_calls_in_all_its_ways_until_it_is_told_to_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    with serve(tmp_path, register, tls_directory=authority.folder) as server:
        config = authority.config(server.port)
        files = {key: str(getattr(config, key)) for key in FILES}
        plan = Plan(
            config.endpoint, config.server_name, **files, proto="", slow_share=0.2,
            method="/saudacao.v1.SaudacaoService/Saudar", slow_method="/bench.SlowGreeter/Saudar",
            persistent=40, fresh=10, connections=2, timeout=10,
        )  # fmt: skip
        command = [sys.executable, "-m", "bench.upgrade.caller", json.dumps(asdict(plan))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as caller:
            until(lambda: len(server.log.calls("OK")) >= 40)
            caller.send_signal(signal.SIGTERM)
            output, _ = caller.communicate(timeout=30)
    calls = [Call(*json.loads(line)) for line in output.splitlines()]
    assert caller.returncode == 0
    assert {call.kind for call in calls} == {"py fresh", "py persistent"}
    assert {call.status for call in calls} == {"OK"}
    assert {call.asked > 0 for call in calls} == {True, False}
    assert min(call.excess for call in calls) > 0
