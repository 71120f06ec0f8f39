"""Filters that judge a deployed service by what its callers saw and what its hosts say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

# What is looked for in the journals when the calls' request ids are not known.
ANY_CALL = '"event":"call"'

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One promise: its name, whether it is kept, what was expected and found, and what to type."""

    name: str
    passed: bool
    expected: str
    found: str
    next: str

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'}  {self.name}: {self.found}"

    @property
    def advice(self) -> str:
        """What differed, and what to type."""
        return f"{self.name}: expected {self.expected}, found {self.found}. Next: {self.next}"


@dataclass(frozen=True)
class Verification:
    """The promises of a deployment, judged; `expected` is what the role's variables say."""

    calls: Mapping[str, Result]
    hosts: Mapping[str, Mapping[str, Result]]
    expected: Mapping[str, Any]

    def lines(self) -> list[Line]:
        """Return the promises, in the order in which they are printed."""
        lines = [self._greeting(), self._health(), self._no_certificate()]
        if "concurrent calls" in self.calls:
            lines.insert(1, self._concurrent_calls())
        return [self._renewed(line) for line in lines] + [self._logs(), self._release()]

    def _renewed(self, line: Line) -> Line:
        """Say how certificates are renewed where one of them is the reason."""
        if "certificate has expired" not in line.found:
            return line
        inventory = shlex.quote(self.expected["inventory"])
        return replace(line, next=f"ansible-playbook -i {inventory} playbooks/deploy.yml")

    def _greeting(self) -> Line:
        wanted, result = self.expected["output"], self.calls["greeting"]
        output = result["stdout"].removesuffix("\n")
        passed = result["rc"] == 0 and output == wanted
        found = repr(output) if result["rc"] == 0 else _complaint(result)
        return Line("greeting", passed, repr(wanted), found, shlex.join(result["argv"]))

    def _concurrent_calls(self) -> Line:
        result, summary = self.calls["concurrent calls"], probe_summary(self.calls)
        wanted = {"calls": self.expected["calls"], "failed": 0, "wrong": 0}
        counts = {key: summary.get(key) for key in wanted}
        found = ", ".join(f"{count} {key}" for key, count in counts.items())
        if summary.get("latency_ms"):
            found += f", p99 {summary['latency_ms']['p99']} ms"
        if result["rc"] != 0:
            found = f"{found} ({_complaint(result)})" if summary else _complaint(result)
        return Line(
            "concurrent calls",
            result["rc"] == 0 and counts == wanted,
            f"{self.expected['calls']} calls with the right reply",
            found,
            shlex.join(result["argv"]),
        )

    def _health(self) -> Line:
        return self._check("health", "the health service to say SERVING")

    def _no_certificate(self) -> Line:
        return self._check("no certificate", "callers without a certificate to be refused")

    def _check(self, name: str, expected: str) -> Line:
        result = self.calls[name]
        passed = result["rc"] == 0
        found = result["stdout"].strip() if passed else _complaint(result)
        return Line(name, passed, expected, found, shlex.join(result["argv"]))

    def _logs(self) -> Line:
        wanted = set(calls_to_find(self.calls))
        logged = {line for host in self.hosts.values() for line in _lines(host.get("journal"))}
        found = f"{len(wanted & logged)} of {len(wanted)} {_on(self.hosts)}"
        missing = sorted(wanted - logged)
        return Line(
            "logs",
            not missing,
            "what every call leaves in the hosts' journals",
            f"{found}, without {missing[0]}" if missing else found,
            self._ask(f"journalctl --unit={self.expected['service']}@* --lines=50"),
        )

    def _release(self) -> Line:
        running = {name: _running(host.get("status")) for name, host in self.hosts.items()}
        answered = sorted(probe_summary(self.calls).get("releases", {}))
        wanted = self.expected["release"] or next(iter(running.values()), "")
        found = [f"{release} on {name}" for name, release in sorted(running.items())]
        if answered and answered != [wanted]:
            found.append(f"replies from {' and '.join(answered)}")
        return Line(
            "release",
            bool(running) and {*running.values(), *answered} == {wanted},
            f"{wanted or 'one release'} on every host",
            ", ".join(found) or "no host that was asked",
            self._ask("/usr/local/sbin/grpc-switch status"),
        )

    def _ask(self, command: str) -> str:
        inventory = shlex.quote(self.expected["inventory"])
        return f'ansible -i {inventory} grpc_servers --become -a "{command}"'


def verification(
    calls: Mapping[str, Result],
    hosts: Mapping[str, Mapping[str, Result]],
    expected: Mapping[str, Any],
) -> dict[str, object]:
    """Return the `report` to save, the `lines` to print, and `advice` on those that failed."""
    lines = Verification(calls, hosts, expected).lines()
    report = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "endpoint": expected["endpoint"],
        "passed": all(line.passed for line in lines),
        "latency_ms": probe_summary(calls).get("latency_ms"),
        "lines": [asdict(line) for line in lines],
    }
    advice = [line.advice for line in lines if not line.passed]
    return {"report": report, "lines": list(map(str, lines)), "advice": advice}


def calls_to_find(calls: Mapping[str, Result]) -> list[str]:
    """Return what the calls leave in the hosts' logs: their request ids, or what any call does."""
    ids = probe_summary(calls).get("request_ids", [])
    return [f'"request_id":"{request_id}"' for request_id in ids] or [ANY_CALL]


def hosts_asked(
    hostvars: Mapping[str, Mapping[str, Any]], names: Iterable[str]
) -> dict[str, dict[str, Result]]:
    """Return what each host answered; hosts outside the run's --limit were not asked."""
    answers = {
        name: {
            part: hostvars[name][f"_grpc_client_{part}"]
            for part in ("status", "journal")
            if f"_grpc_client_{part}" in hostvars[name]
        }
        for name in names
    }
    return {name: answer for name, answer in answers.items() if answer}


def probe_summary(calls: Mapping[str, Result]) -> dict[str, Any]:
    """Return the object that the probe printed, or an empty one."""
    try:
        summary = json.loads(calls.get("concurrent calls", {}).get("stdout", ""))
    except ValueError:
        return {}
    return summary if isinstance(summary, dict) else {}


def _running(status: Result | None) -> str:
    """Return the release that a host sends new connections to, or what is wrong with it."""
    if status is None or status.get("unreachable"):
        return "nothing that could be asked"
    try:
        answer = json.loads(status["stdout"])
        release = answer["release"]
        state = answer["releases"][release]["state"] if release else ""
    except (KeyError, ValueError):
        return "no working grpc-switch"
    if state != "active":
        return f"{release} ({state})" if release else "no release"
    return f"{release} (not confirmed)" if answer.get("provisional") else str(release)


def _lines(result: Result | None) -> list[str]:
    return str((result or {}).get("stdout", "")).splitlines()


def _on(hosts: Mapping[str, object]) -> str:
    return f"on {', '.join(sorted(hosts))}" if hosts else "(no host was asked)"


def _complaint(result: Result) -> str:
    text = (result["stderr"].strip() or result["stdout"].strip()).splitlines()
    return text[-1] if text else f"exit code {result['rc']} without a word"


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {
            "calls_to_find": calls_to_find,
            "hosts_asked": hosts_asked,
            "verification": verification,
        }
