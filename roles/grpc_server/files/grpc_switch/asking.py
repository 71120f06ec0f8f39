"""The verbs that only ask, and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import journal
from .baseline import record
from .history import history
from .logs import Wanted, logs
from .report import report
from .status import status
from .system import RefusedError

if TYPE_CHECKING:
    import argparse

    from .config import Config


def answer(config: Config, options: argparse.Namespace) -> Any:
    """Return the answer to a verb, ready for JSON."""
    if options.verb == "logs":
        return logs(config, _wanted(options))
    if options.verb == "journal":
        return {"runs": journal.runs(config)}
    if options.verb == "record":
        return record(config, options.release)
    if options.verb == "history":
        return history(config, options.hours)
    return report(config) if options.verb == "report" else status(config, options.compare)


def _wanted(options: argparse.Namespace) -> Wanted:
    if options.lines < 1:
        raise RefusedError(f"--lines {options.lines} is not a number above 0")
    return Wanted(options.lines, options.since, options.until, options.request_id, options.level)
