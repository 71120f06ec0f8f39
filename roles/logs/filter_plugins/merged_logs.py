"""The filters `merged_logs` and `listed_logs`: what the logs say, in the order of time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# What a client's host prints is read here as the servers' hosts read their own journals.
sys.path.append(str(Path(__file__).parents[2] / "grpc_server" / "files"))

from grpc_switch.logs import Wanted, parse


def merged_logs(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Iterable[str],
    lines: int,
    request_id: str = "",
    level: str = "",
) -> dict[str, Any]:
    """Return the last `entries` of all hosts, the same as `lines`, and the `problem` if any.

    Servers have chosen theirs already; those of clients are chosen here.
    """
    wanted = Wanted(request_id=request_id, level=level)
    entries: list[dict[str, Any]] = []
    problems: list[str] = []
    names = list(hosts)
    for host in names:
        server = hostvars[host].get("_logs_host", {})
        result = server or hostvars[host].get("_logs_client", {})
        if result.get("rc") == 0 and server:
            entries += [{"host": host, **entry} for entry in json.loads(result["stdout"])]
        elif "rc" in result and not result.get("stderr") and not server:
            found = map(parse, str(result["stdout"]).splitlines())
            entries += [{"host": host, **entry} for entry in found if wanted.passes(entry)]
        elif result:
            said = str(result.get("stderr") or result.get("msg") or "it said nothing").strip()
            problems.append(f"{host}: {said}")
    if not names:
        problems.append("no host runs: there is no log to show")
    entries.sort(key=lambda entry: str(entry["time"]))
    entries = entries[-lines:]
    return {"entries": entries, "lines": list(map(line, entries)), "problem": "\n".join(problems)}


def listed_logs(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what CloudWatch said, as `merged_logs` returns what the hosts said."""
    return {"entries": entries, "lines": list(map(line, entries)), "problem": ""}


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
        return {"merged_logs": merged_logs, "listed_logs": listed_logs}
