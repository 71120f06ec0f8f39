"""The filter `merged_logs`: what the hosts' logs say, in the order of time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def merged_logs(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], lines: int
) -> dict[str, Any]:
    """Return the last `entries` of all hosts, the same as `lines`, and the `problem` if any."""
    entries: list[dict[str, Any]] = []
    problems: list[str] = []
    names = list(hosts)
    for host in names:
        result = hostvars[host].get("_logs_host", {})
        if result.get("rc") == 0:
            entries += [{"host": host, **entry} for entry in json.loads(result["stdout"])]
        elif result:
            said = str(result.get("stderr") or result.get("msg") or "it said nothing").strip()
            problems.append(f"{host}: {said}")
    if not names:
        problems.append("no host runs: there is no log to show")
    entries.sort(key=lambda entry: str(entry["time"]))
    entries = entries[-lines:]
    return {"entries": entries, "lines": list(map(line, entries)), "problem": "\n".join(problems)}


def line(entry: Mapping[str, Any]) -> str:
    """Return an entry as one line: time, host, level, message and its fields."""
    words = [str(entry["message"])]
    words += [f"{key}={_word(value)}" for key, value in entry["fields"].items()]
    return f"{entry['time'][:23]}Z {entry['host']} {entry['level']:<8} {' '.join(words)}"


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(' "\n\t=') else text


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"merged_logs": merged_logs}
