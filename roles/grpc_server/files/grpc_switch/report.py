"""Everything that a person wants to know of this host, in one answer and changing nothing."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from . import journal
from .baseline import drift
from .install import MEBIBYTE
from .lease import Lease
from .logs import entries, last_minute, parse
from .status import status
from .system import RefusedError

if TYPE_CHECKING:
    from .config import Config

SECONDS = 60
BRINGING = {"deploy", "rollback"}
FOLDERS = ("opt", "var", "tmp")


def report(config: Config) -> dict[str, Any]:
    """Return the status, who deployed what, the last minute's calls, disks, certificates, drift."""
    now = status(config)
    runs = journal.runs(config)
    lease = Lease(config).holder()
    left = {"seconds_left": round(lease["until"] - time.time(), 1)} if lease else {}
    return {
        "status": now,
        "deployed": deployed(runs, now["release"]),
        "interrupted": journal.interrupted(runs, lease),
        "lease": {**lease, **left} if lease else None,
        "calls": {"seconds": SECONDS, **_calls(config)},
        "units": {f"{config.name}-guard.service": now["guard"]},
        "certificates": _certificates(config),
        "disks": _disks(config),
        "minimum_free_mebibytes": config.minimum_free_mebibytes,
        "drift": drift(config, now["release"]),
    }


def deployed(runs: list[dict[str, Any]], release: str | None) -> dict[str, Any] | None:
    """Return the run that brought a release into use; None when the journal does not know."""
    for one in reversed(runs):
        brought = one.get("outcome") == "done" and one.get("action") in BRINGING
        if release and brought and one.get("release") == release:
            kept = ("action", "by", "from", "commit")
            return {"since": one.get("ended"), **{key: one.get(key) for key in kept}}
    return None


def _calls(config: Config) -> dict[str, Any]:
    since = f"@{int(time.time()) - SECONDS}"
    try:
        return last_minute(map(parse, entries(f"--unit={config.unit('*')}", since=since)))
    except RefusedError as error:
        return {**last_minute([]), "unknown": str(error)}


def _certificates(config: Config) -> dict[str, str]:
    files = {path.name: path for path in sorted(config.tls.glob("*.crt"))}
    return {name: path.read_text(errors="replace") for name, path in files.items()}


def _disks(config: Config) -> dict[str, dict[str, int]]:
    usage = {f"/{name}": shutil.disk_usage(config.root / name) for name in FOLDERS}
    return {
        name: {"free_mebibytes": disk.free // MEBIBYTE, "total_mebibytes": disk.total // MEBIBYTE}
        for name, disk in usage.items()
    }
