"""The service's log on this host: entries of the systemd journal, filtered."""

from __future__ import annotations

import json
import subprocess
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .system import RefusedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from .config import Config

LEVELS = ("debug", "info", "warning", "error", "critical")
# syslog's priorities: emerg, alert, crit, err, warning, notice, info, debug.
PRIORITIES = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")
FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT"
NOTHING = "Failed to add filter for units: No data available"
# Statuses that are the server's fault; the others answer what the caller did.
FAULTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}


@dataclass(frozen=True)
class Wanted:
    """Which entries: the last `lines` of those that pass, and the range in journalctl's words.

    `level` is the least severe one; `request_id` the call's.
    """

    lines: int = 100
    since: str = ""
    until: str = ""
    request_id: str = ""
    level: str = ""

    def passes(self, entry: dict[str, Any]) -> bool:
        """Tell whether an entry is one of those."""
        if self.request_id and entry["fields"].get("request_id") != self.request_id:
            return False
        return not self.level or _rank(entry["level"]) >= LEVELS.index(self.level)


def logs(config: Config, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the service's last entries, the oldest first; RefusedError repeats journalctl."""
    units = [f"--unit={config.unit('*')}", f"--unit={config.name}-*.service"]
    found: deque[dict[str, Any]] = deque(maxlen=wanted.lines)
    parsed = (parse(line) for line in entries(*units, since=wanted.since, until=wanted.until))
    found.extend(entry for entry in parsed if wanted.passes(entry))
    return list(found)


def entries(*options: str, since: str = "", until: str = "") -> Generator[str, None, None]:
    """Yield journalctl's entries as JSON lines; values are arguments, never words of a shell."""
    command = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json"]
    command += [f"--output-fields={FIELDS}", *options]
    command += [f"--since={since}"] if since else []
    command += [f"--until={until}"] if until else []
    import tempfile

    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, errors="replace"
        ) as process:
            yield from process.stdout or ()
        complaints.seek(0)
        said = complaints.read().strip()
    if process.returncode != 0 and NOTHING not in said:
        raise RefusedError(
            f"journalctl ended with {process.returncode}: {said[-600:] or 'it said nothing'}."
            " It takes times such as '2026-11-25 17:41', '-10min', 'yesterday': man systemd.time"
        )


def parse(line: str) -> dict[str, Any]:
    """Return an entry: time, unit, level, message, and the fields of a structured one.

    The time is the line's own, where it has one, else the journal's, to the millisecond: it is the
    same wherever the line is read.
    """
    entry = json.loads(line)
    text = _text(entry.get("MESSAGE"))
    fields = _fields(text)
    at = _time(fields.get("time")) or datetime.fromtimestamp(
        int(entry["__REALTIME_TIMESTAMP"]) // 1000 / 1000, timezone.utc
    )
    priority = str(entry.get("PRIORITY", "6"))
    level = PRIORITIES[int(priority)] if priority in "01234567" else "info"
    return {
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "unit": _text(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT")),
        "level": str(fields.pop("level", level)),
        "message": str(fields.pop("event", "")) if fields else text,
        "fields": {key: value for key, value in fields.items() if key != "time"},
    }


def _fields(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) and "event" in fields else {}


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone(timezone.utc)
    except ValueError:
        return None


def _text(value: Any) -> str:
    """Return a field's text; journalctl shows bytes that are no text as a list of numbers."""
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(value).decode(errors="replace")
    return "" if value is None else str(value)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


def last_minute(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Count calls: all, by status, those that the server failed, and how long they took in ms."""
    by_code: dict[str, int] = {}
    took: list[float] = []
    for entry in entries:
        code, duration = (entry["fields"].get(key) for key in ("code", "duration_ms"))
        if entry["message"] == "call" and isinstance(code, str):
            by_code[code] = by_code.get(code, 0) + 1
            took += [float(duration)] if isinstance(duration, (int, float)) else []
    took.sort()
    return {
        "calls": sum(by_code.values()),
        "errors": sum(count for code, count in by_code.items() if code in FAULTS),
        "by_code": by_code,
        "p50_ms": percentile(took, 50),
        "p99_ms": percentile(took, 99),
    }


def percentile(ordered: list[float], share: int) -> float | None:
    """Return the least value that `share` percent of the ordered values do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]
