"""The host's journal of runs: a line for what a run intends, and a line for how it ended."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .system import RefusedError

if TYPE_CHECKING:
    from .config import Config

BEGIN, END = "begin", "end"


def begin(config: Config, run: str, intent: dict[str, Any]) -> None:
    """Write what a run intends: `action`, `release`, `by`, `from`, `commit`.

    RefusedError, for instance on a full disk, leaves the journal as it was.
    """
    _append(config, {"id": run, "event": BEGIN, "at": _now(), **intent})


def end(config: Config, run: str, outcome: dict[str, Any]) -> None:
    """Write how a run ended: `outcome` (done, failed, undone or refused), `reason`, `calls`."""
    _append(config, {"id": run, "event": END, "at": _now(), **outcome})


def runs(config: Config) -> list[dict[str, Any]]:
    """Return every run, the oldest first: its intent, and its first outcome beside it.

    One without `outcome` still goes on, or was interrupted.
    """
    found: dict[str, dict[str, Any]] = {}
    for line in _lines(config):
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


def _lines(config: Config) -> list[dict[str, Any]]:
    try:
        texts = config.journal.read_text().splitlines()
    except FileNotFoundError:
        return []
    lines = [_parse(text) for text in texts]
    return [line for line in lines if line is not None]


def _parse(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"id", "event", "at"} <= line.keys() else None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
