"""The option --chaos, and the table that the controller prints at the end of a run."""

import json
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / ".cache/chaos.json"
PROPERTY = "chaos"


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
    rows = [json.loads(value) for report in reports if report.when == "call"
            for name, value in report.user_properties if name == PROPERTY]  # fmt: skip
    if not rows:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    terminalreporter.section("chaos")
    for line in table(rows):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"As JSON: {RESULTS}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as the lines of a Markdown table."""
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
    return [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *lines)]
