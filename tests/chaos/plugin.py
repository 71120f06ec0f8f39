"""The option --chaos, and the table that the controller prints at the end of a run."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(__file__).parents[2] / ".cache"
PROPERTY, FLEET_PROPERTY = "chaos", "chaos-fleet"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos", action="store_true", help="run every row of the chaos suite")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chaos: a row that only --chaos runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--chaos"):
        return
    left_out = [item for item in items if item.get_closest_marker("chaos")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what came of each row; user properties come from the workers with their reports."""
    reports = [
        report for group in ("passed", "failed") for report in terminalreporter.getreports(group)
    ]
    for kind, as_table in ((PROPERTY, table), (FLEET_PROPERTY, fleet_table)):
        rows = [json.loads(value) for report in reports if report.when == "call"
                for name, value in report.user_properties if name == kind]  # fmt: skip
        if not rows:
            continue
        results = CACHE / f"{kind}.json"
        results.parent.mkdir(exist_ok=True)
        results.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        terminalreporter.section(kind)
        for line in as_table(rows):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"As JSON: {results}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows of one host's deployments as the lines of a Markdown table."""
    heads = ("fault, stage", "deploy", "calls failed / made", "failing for", "serves", "journal",
             "at rest after", "next run")  # fmt: skip
    lines = [
        (
            row["name"],
            f"exit {row['deploy']}" if row["deploy"] >= 0 else "killed",
            f"{row['seen']['failed'] + row['seen']['wrong']} / {row['seen']['calls']}",
            f"{row['seen']['outage_seconds']:.1f} s: {row['why']}" if row["seen"]["failed"] else "",
            row["serves"],
            row["journal"],
            f"{row['rest_seconds']:.0f} s",
            f"exit {row['next']}, {row['next_changed']} changed, {row['next_serves']}",
        )
        for row in rows
    ]
    return _markdown(heads, lines)


def fleet_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows of a fleet as the lines of a Markdown table."""
    heads = ("what happens", "lost over lasting connections", "over fresh ones", "failing for",
             "with retries: lasting", "fresh", "full strength after")  # fmt: skip
    lines = [
        (
            row["name"],
            *(_lost(row[kind]) for kind in ("persistent", "fresh")),
            _failing(row),
            *(_lost(row["robust"][kind]) for kind in ("persistent", "fresh")),
            f"{row['strength_seconds']:.0f} s{_hosts(row)}",
        )
        for row in rows
    ]
    return _markdown(heads, lines)


def _lost(seen: dict[str, Any]) -> str:
    return f"{seen.get('failed', 0) + seen.get('wrong', 0)} / {seen['calls']}"


def _failing(row: dict[str, Any]) -> str:
    seconds = max(row[kind]["outage_seconds"] for kind in ("persistent", "fresh"))
    return f"{seconds:.1f} s" if seconds else ""


def _hosts(row: dict[str, Any]) -> str:
    if row["came"]:
        return ", by a new host" if row["left"] else ", a host more"
    return ", a host fewer" if row["left"] else ""


def _markdown(heads: tuple[str, ...], lines: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *lines)]
