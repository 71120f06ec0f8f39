"""The host's journal of runs: a line for what a run intends, and a line for how it ended."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .system import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Config

BEGIN, END = "begin", "end"


def begin(config: Config, run: str, intent: dict[str, Any]) -> None:
    """Write what a run intends: `action`, `release`, `by`, `from`, `commit`.

    RefusedError, for instance on a full disk, leaves the journal as it was.
    """
    _append(config, line_of(BEGIN, run, intent))


def end(config: Config, run: str, outcome: dict[str, Any]) -> None:
    """Write how a run ended: `outcome` (done, failed, undone or refused), `reason`, `calls`."""
    _append(config, line_of(END, run, outcome))


def line_of(event: str, run: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the journal's line for an event of a run, now."""
    at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"id": run, "event": event, "at": at, **entry}


def runs(config: Config) -> list[dict[str, Any]]:
    """Return every run, the oldest first: its intent, and its first outcome beside it.

    One without `outcome` still goes on, or was interrupted.
    """
    return joined(_texts(config))


def joined(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return the runs of a journal's lines, as `runs` does; what is no line of it is left out."""
    found: dict[str, dict[str, Any]] = {}
    for line in filter(None, map(_parse, texts)):
        run = found.setdefault(line["id"], {"id": line["id"], "outcome": None})
        if line["event"] == BEGIN:
            run.update({key: value for key, value in line.items() if key != "event"})
        elif run["outcome"] is None:
            rest = {key: value for key, value in line.items() if key not in {"id", "event", "at"}}
            run.update(rest, ended=line["at"])
    return list(found.values())


def deployments(config: Config) -> dict[str, dict[str, Any]]:
    """Return, for each release, the last run that brought it into use."""
    brought = [run for run in runs(config) if run["outcome"] == "done" and run.get("release")]
    return {run["release"]: run for run in brought if run.get("action") in {"deploy", "rollback"}}


def interrupted(runs: list[dict[str, Any]], lease: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the runs after the last finished one that neither ended nor hold the lease."""
    ended = [number for number, run in enumerate(runs) if run.get("outcome")]
    after = runs[max(ended, default=-1) + 1 :]
    return [one for one in after if not lease or one["id"] != lease["id"]]


def _append(config: Config, line: dict[str, Any]) -> None:
    try:
        config.state.mkdir(parents=True, exist_ok=True)
        with config.journal.open("ab+") as file:
            end_of_file = file.seek(0, os.SEEK_END)
            # A power cut may have left half a line.
            file.seek(max(0, end_of_file - 1))
            start = b"\n" if file.read(1) not in {b"", b"\n"} else b""
            file.write(start + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RefusedError(f"{config.journal} could not be written: {error}") from error


def _texts(config: Config) -> list[str]:
    try:
        return config.journal.read_text().splitlines()
    except FileNotFoundError:
        return []


def _parse(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"id", "event", "at"} <= line.keys() else None
