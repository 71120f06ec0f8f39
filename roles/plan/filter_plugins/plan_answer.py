"""The filter `plan_answer`: what the tasks of a checked run would change, in plain words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Event = Mapping[str, Any]


@dataclass
class Plan:
    """What would change, by where: lines for a person, and the release by host."""

    stack: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)
    release: str = ""
    release_changes: list[str] = field(default_factory=list)
    control_node: list[str] = field(default_factory=list)
    hosts: dict[str, list[str]] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)
    lease: dict[str, Any] | None = None

    def take(self, event: Event) -> None:
        """Take in one result of a task."""
        if event["action"] == "release_archive":
            self._built(event)
        elif event["action"] == "fleet_lock":
            self.lease = event.get("lease") or self.lease
        elif _asks_status(event):
            self._runs(event)
        elif event["changed"]:
            self._changed(event)

    def _built(self, event: Event) -> None:
        self.release = str(event.get("ansible_facts", {}).get("release", {}).get("id", ""))
        if event["changed"]:
            self.control_node.append(f"build release {self.release}")
            self.release_changes = _differing(event.get("diff", []))

    def _runs(self, event: Event) -> None:
        """Compare what a host runs with the release that there would be."""
        host, status = event["host"], _object(event.get("stdout"))
        running = str(status.get("release") or "")
        self.running[host] = running
        if running != self.release:
            self.switches[host] = f"switch from {running or 'no release'} to {self.release}"
        elif not status.get("settled"):
            self.switches[host] = f"have release {running} serve, confirmed and alone"

    def _changed(self, event: Event) -> None:
        text = event["task"] + (f": {event['item']}" if event.get("item") else "")
        if event["host"] != "localhost":
            lines = self.hosts.setdefault(event["host"], [])
            if event.get("changes"):
                lines += [f"{text}: {path}" for path in event["changes"]]
                return
        elif event.get("changes"):
            self.stack += event["changes"]
            return
        elif event["role"] == "certificates":
            # A loop's items say which pair and why; the folder is a file of the control node.
            lines = self.certificates if event["action"] == "debug" else self.control_node
            text = str(event["msg"]) if event["action"] == "debug" else text
        elif event["action"] in {"stack_deploy", "ec2_instance"}:
            lines = self.stack
        else:
            lines = self.control_node
        if text not in lines:
            lines.append(text)

    def by_host(self) -> dict[str, list[str]]:
        """Return what would change on each host, the switch last."""
        names = {**self.hosts, **dict.fromkeys(self.switches)}
        ends = {host: [self.switches[host]] for host in self.switches}
        return {host: [*self.hosts.get(host, []), *ends.get(host, [])] for host in names}

    def report(self) -> dict[str, Any]:
        """Return the plan for a program."""
        hosts = self.by_host()
        changes = [self.stack, self.certificates, self.control_node, *hosts.values()]
        return {
            "changes": any(changes),
            "stack": self.stack,
            "certificates": self.certificates,
            "release": {
                "id": self.release or None,
                "running": self.running,
                "differences": self.release_changes,
            },
            "control_node": self.control_node,
            "hosts": hosts,
            "lease": self.lease,
        }

    def lines(self) -> list[str]:
        """Return the plan for a person."""
        parts = {
            "in progress": [_in_progress(self.lease)] if self.lease else [],
            "stack": self.stack,
            "certificates": self.certificates,
            "control node": self.control_node,
            "release, unlike the one built before": self.release_changes,
            **{f"host {host}": lines for host, lines in self.by_host().items()},
        }
        return [
            text
            for name, lines in parts.items()
            if lines
            for text in (f"{name}:", *(f"  {line}" for line in lines))
        ]


def plan_answer(events: Iterable[Event], deployment: str, environment: str) -> dict[str, Any]:
    """Return the `report` to keep and the `lines` to print."""
    plan = Plan()
    for event in events:
        plan.take(event)
    report = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "deployment": deployment,
        "environment": environment,
        **plan.report(),
    }
    would = "would change this" if report["changes"] else "has nothing to do"
    return {"report": report, "lines": [f"{deployment} ({environment}): site.yml {would}",
                                        *plan.lines()]}  # fmt: skip


def _in_progress(lease: Mapping[str, Any]) -> str:
    return (
        f"{lease['action']} by {lease['by']} from {lease['from']}, which keeps other runs away;"
        f" lapses in {lease['seconds_left']:.0f} s unless renewed"
    )


def _asks_status(event: Event) -> bool:
    command = event.get("cmd")
    return isinstance(command, list) and command[1:2] == ["status"] and event["role"] != ""


def _differing(diff: Any) -> list[str]:
    """Return the lines that a release has and the one before had not, and the other way round."""
    found: list[str] = []
    for part in diff if isinstance(diff, list) else [diff]:
        before, after = (str(part.get(side, "")).splitlines() for side in ("before", "after"))
        found += [line for line in difflib.ndiff(before, after) if line.startswith(("+ ", "- "))]
    return found


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"plan_answer": plan_answer}
