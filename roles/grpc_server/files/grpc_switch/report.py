"""Everything that a person wants to know of this host, in one answer and changing nothing."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from .baseline import drift
from .install import MEBIBYTE
from .logs import journal, last_minute, parse
from .status import status
from .system import RefusedError, run

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config

SECONDS = 60
FOLDERS = ("opt", "var", "tmp")


def report(config: Config) -> dict[str, Any]:
    """Return the status, who deployed what, the last minute's calls, disks, certificates, drift."""
    now = status(config)
    entries = read_journal(config.state / "journal.jsonl")
    lease = read_lease(config.state / "lease.json")
    return {
        "status": now,
        "deployed": deployed(entries, now["release"]),
        "interrupted": interrupted(entries, lease),
        "lease": lease,
        "calls": {"seconds": SECONDS, **_calls(config)},
        "units": _units(config),
        "certificates": _certificates(config),
        "disks": _disks(config),
        "minimum_free_mebibytes": config.minimum_free_mebibytes,
        "drift": drift(config, now["release"]),
    }


def deployed(entries: list[dict[str, Any]], release: str | None) -> dict[str, Any] | None:
    """Return the run that brought a release into use; None when the journal does not know."""
    ends = {entry.get("id"): entry for entry in entries if entry.get("event") == "end"}
    for entry in reversed(entries):
        end = ends.get(entry.get("id"), {})
        brings = entry.get("event") == "begin" and entry.get("release") == release
        if release and brings and end.get("outcome") == "done":
            kept = ("action", "by", "from", "commit")
            return {"since": end.get("at"), **{key: entry.get(key) for key in kept}}
    return None


def interrupted(
    entries: list[dict[str, Any]], lease: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the runs after the last finished one that neither ended nor hold the lease."""
    ended = {entry.get("id") for entry in entries if entry.get("event") == "end"}
    last = max(
        (number for number, entry in enumerate(entries) if entry.get("id") in ended), default=-1
    )
    open_runs = [entry for entry in entries[last + 1 :] if entry.get("event") == "begin"]
    return [entry for entry in open_runs if not lease or entry.get("id") != lease.get("id")]


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the journal; a line that a power cut left half written is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found += [entry] if isinstance(entry, dict) else []
    return found


def read_lease(path: Path) -> dict[str, Any] | None:
    """Return who holds the lease; None when nobody does, or when it has lapsed."""
    try:
        lease: dict[str, Any] = json.loads(path.read_text())
        left = float(lease["until"]) - time.time()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return {**lease, "seconds_left": round(left, 1)} if left > 0 else None


def _calls(config: Config) -> dict[str, Any]:
    since = f"@{int(time.time()) - SECONDS}"
    try:
        return last_minute(map(parse, journal(f"--unit={config.unit('*')}", since=since)))
    except RefusedError as error:
        return {**last_minute([]), "unknown": str(error)}


def _units(config: Config) -> dict[str, str]:
    name = f"{config.name}-guard.service"
    return {name: run("systemctl", "is-active", name, check=False).strip()}


def _certificates(config: Config) -> dict[str, str]:
    files = {path.name: path for path in sorted(config.tls.glob("*.crt"))}
    return {name: path.read_text(errors="replace") for name, path in files.items()}


def _disks(config: Config) -> dict[str, dict[str, int]]:
    usage = {f"/{name}": shutil.disk_usage(config.root / name) for name in FOLDERS}
    return {
        name: {"free_mebibytes": disk.free // MEBIBYTE, "total_mebibytes": disk.total // MEBIBYTE}
        for name, disk in usage.items()
    }
