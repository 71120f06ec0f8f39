"""The filter `status_answer`: what a deployment runs, how it fares, and what is wrong with it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

Result = Mapping[str, Any]
Settings = Mapping[str, Any]
# A client that calls all the time and has not called, or has failed, within so long is wrong now.
RECENT_SECONDS = 60.0
# Of a fleet's journal, so many of the last runs are in the answer.
FLEET_RUNS = 10


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: where, what, and the command to type next."""

    where: str
    what: str
    next: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n      next: {self.next}"


@dataclass(frozen=True)
class Commands:
    """What a person types, for one inventory."""

    inventory: str

    def playbook(self, name: str) -> str:
        """Return the command that runs a playbook."""
        return f"ansible-playbook -i {shlex.quote(self.inventory)} {name}"

    def on_host(self, host: str, command: str) -> str:
        """Return the command that asks one host."""
        return f"ansible -i {shlex.quote(self.inventory)} {host} --become -a {shlex.quote(command)}"


@dataclass
class Status:
    """The answer in the making: `report` for a program, `lines` for a person, `findings`."""

    settings: Settings
    report: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def commands(self) -> Commands:
        """What a person types."""
        return Commands(self.settings["inventory"])

    def wrong(self, where: str, what: str, command: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(where, what, command))

    def service(self, health: Result) -> None:
        """Take in what a client on the control node saw."""
        serving = health.get("rc") == 0
        said = str(health.get("stdout" if serving else "stderr", "")).strip()
        text = "SERVING" if serving else said or "not asked"
        endpoint = self.settings["endpoint"]
        self.report["service"] = {"endpoint": endpoint, "serving": serving, "said": said}
        self.lines.append(f"service {endpoint}: {text}")
        if not serving:
            self.wrong("service", text, self.commands.playbook("playbooks/logs.yml"))

    def own_certificates(self) -> None:
        """Look at the certificates that the control node keeps."""
        folder = Path(self.settings["certificates"])
        found = {name: days_left(_text(folder / f"{name}.crt")) for name in ("ca", "client")}
        self.report["certificates"] = found
        self.lines.append(f"control node: {self._certificates('control node', found)}")

    def firewall(self, drift: list[dict[str, str]]) -> None:
        """Take in how AWS's security groups differ from the template's.

        A change set does not see it: each comes with the command that undoes it.
        """
        self.report["security_group_drift"] = drift
        for rule in drift:
            what = f"{rule['what']}, unlike the stack's template"
            self.wrong("security group", what, rule["next"])

    def fleet(self, found: Result) -> None:
        """Take in which hosts of a fleet take calls; nothing for one host."""
        if "hosts" not in found:
            return
        hosts, wanted = found["hosts"], found["wanted"]
        ready = [host["instance"] for host in hosts if host["ready"]]
        self.report["fleet"] = {"wanted": wanted, "hosts": hosts}
        self.lines.append(f"fleet: {len(ready)} of {wanted} hosts take calls")
        for host in hosts:
            if host.get("seconds"):
                self.lines.append(f"  {host['instance']}: {_way(host['seconds'])}")
            if not host["ready"]:
                what = f"it takes no calls: {host['said']}"
                command = "aws ec2 get-console-output --latest --output text --instance-id"
                self.wrong(host["instance"], what, f"{command} {host['instance']}")
                self.lines += [f"  {host['instance']}: {line}" for line in host["console"]]
        self._failures(found)
        if len(hosts) < wanted:
            what = f"{len(hosts)} of {wanted} hosts are there"
            self.wrong("fleet", what, "aws autoscaling describe-scaling-activities")

    def _failures(self, found: Result) -> None:
        """Take in which hosts could not configure themselves, also such as are gone."""
        failures = found.get("failures", [])
        self.report["fleet"]["failures"] = failures
        self.report["fleet"]["replaces"] = replaces = found.get("replaces", True)
        stopped = "" if replaces else "; the group replaces no host any more"
        if failures:
            last = failures[-1]
            self.wrong(
                "fleet",
                f"{len(failures)} hosts in a row could not configure themselves, the last,"
                f" {last['instance']}, at {last['at']}: {last['why']}{stopped}",
                self.commands.playbook("site.yml"),
            )
            shown = {host["instance"] for host in found["hosts"]}
            if last["instance"] not in shown:
                self.lines += [f"  {last['instance']}: {line}" for line in last["console"]]
        elif stopped:
            command = "aws autoscaling resume-processes --auto-scaling-group-name"
            self.wrong("fleet", stopped.removeprefix("; "), f"{command} {found['group']}")

    def fleet_lock(self, found: Result) -> None:
        """Take in who changes a fleet now, and what was done last; nothing for one host."""
        if "runs" not in found:
            return
        runs = found["runs"][-FLEET_RUNS:]
        self.report["fleet"] |= {"lease": found["lease"], "runs": runs}
        if runs and (last := runs[-1])["outcome"]:
            what = f"the {_run_words(last)}"
            self.lines.append(f"  {what}: {last['outcome']}{_because(last.get('reason'))}")
        self._runs("fleet", found)

    def alarms(self, found: Result) -> None:
        """Take in what CloudWatch says of the deployment's alarms; nothing where none watches."""
        if "alarms" not in found:
            return
        raised = [alarm for alarm in found["alarms"] if alarm["state"] == "ALARM"]
        self.report["alarms"] = found["alarms"]
        names = ", ".join(alarm["name"] for alarm in raised) or "none"
        self.lines.append(f"alarms: {names} of {len(found['alarms'])}")
        for alarm in raised:
            what, _, where = alarm["description"].partition(" What to do: ")
            self.wrong(f"alarm {alarm['name']} since {alarm['since']}", what, f"read {where}")

    def stopped(self, hosts: Iterable[str]) -> None:
        """Take in instances that exist and do not run."""
        self.report["stopped"] = list(hosts)
        for host in self.report["stopped"]:
            self.wrong(host, "the instance is stopped", self.commands.playbook("site.yml"))

    def host(self, name: str, result: Result, calls: Result | None = None) -> None:
        """Take in what a host answered, or that it did not; `calls` are those that others know."""
        reason = _refusal(result)
        if reason:
            reached = not result.get("unreachable")
            self.report["hosts"][name] = {"reachable": reached, "said": reason}
            self.lines.append(f"{name}: {reason}")
            again = "site.yml" if reached else "playbooks/provision.yml"
            self.wrong(name, reason, self.commands.playbook(again))
            if calls:
                self.report["hosts"][name]["calls"] = calls
                self._calls(name, calls)
            return
        answer = json.loads(result["stdout"])
        answer["calls"] = calls or answer["calls"]
        days = {key.removesuffix(".crt"): days_left(pem)
                for key, pem in answer["certificates"].items()}  # fmt: skip
        answer = {**answer, "certificates": days}
        self.report["hosts"][name] = {"reachable": True, **answer}
        self._release(name, answer)
        self._units(name, answer)
        self._calls(name, answer["calls"])
        self.lines.append(f"  certificates: {self._certificates(name, days)}")
        self._disks(name, answer)
        self._drift(name, answer)
        self._runs(name, answer)

    def client(self, name: str, result: Result) -> None:
        """Take in what a client has counted that runs as a service, or that it does not."""
        if not result:
            return
        clients = self.report.setdefault("clients", {})
        text, _, now = (result.get("stdout") or "").partition("\n")
        if not now:
            said = str(result.get("msg") or result.get("stderr") or "").strip()
            lost = bool(result.get("unreachable"))
            what = f"it cannot be reached: {said}" if lost else "no client runs here"
            clients[name] = {"reachable": not lost, "said": what}
            self.lines.append(f"{name}: {what}")
            self.wrong(name, what, self.commands.playbook("site.yml"))
            return
        seen = json.loads(text)
        clients[name] = {"reachable": True, **seen}
        p50, p99 = (_milliseconds((seen["latency_ms"] or {}).get(key)) for key in ("p50", "p99"))
        counts = f"{seen['calls']} calls, {seen['failed']} failed, {seen['wrong']} wrong"
        self.lines.append(f"{name}: the client of {seen['release']} since {seen['since']}")
        self.lines.append(f"  {counts}, p50 {p50}, p99 {p99}")
        self._client_now(name, seen, now.strip())

    def _client_now(self, name: str, seen: dict[str, Any], now: str) -> None:
        silent = _seconds(seen["at"], now)
        if silent > RECENT_SECONDS:
            what = f"its client has not called for {silent:.0f} s"
            unit = "journalctl --lines 20 --unit '*-client.service'"
            self.wrong(name, what, self.commands.on_host(name, unit))
        failure = seen["last_failure"]
        if failure:
            what = f"failure at {failure['at']}: {failure['status']}: {failure['message']}"
            self.lines.append(f"  last {what}")
            if _seconds(failure["at"], now) <= RECENT_SECONDS:
                command = self.commands.playbook("playbooks/logs.yml -e level=warning")
                self.wrong(name, f"a call of its client failed: {what}", command)

    def _release(self, name: str, answer: dict[str, Any]) -> None:
        status, deployed = answer["status"], answer["deployed"] or {}
        release = status["release"]
        by = f"since {deployed.get('since') or 'unknown'}, by {deployed.get('by') or 'unknown'}"
        by += f" from {deployed['from']}" if deployed.get("from") else ""
        by += f", commit {deployed['commit']}" if deployed.get("commit") else ""
        by += f" ({deployed['action']})" if deployed.get("action") else ""
        self.lines.append(f"{name}: release {release or 'none'} {by}")
        if not release:
            self.wrong(name, "no release is in use", self.commands.playbook("site.yml"))
            return
        state = status["releases"].get(release, {}).get("state", "not installed")
        if state != "active":
            what = f"the release in use is {state}"
            self.wrong(name, what, self.commands.playbook("site.yml"))
        if status["provisional"] and not answer["lease"]:
            what = f"release {release} is not confirmed: the host undoes it in time"
            self.wrong(name, what, self.commands.playbook("playbooks/status.yml"))

    def _units(self, name: str, answer: dict[str, Any]) -> None:
        status = answer["status"]
        running = status["releases"].get(status["release"], {})
        parts = [f"unit {running.get('state', 'none')}", f"{running.get('restarts', 0)} restarts"]
        parts.append(f"redirect {'loaded' if status['map']['equals_file'] else 'NOT LOADED'}")
        parts += [f"{unit} {state}" for unit, state in answer["units"].items()]
        self.lines.append(f"  {', '.join(parts)}")
        if not status["map"]["equals_file"]:
            what = "the kernel's redirect is not what the map file says"
            self.wrong(name, what, self.commands.playbook("site.yml"))
        for unit, state in answer["units"].items():
            if state != "active":
                self.wrong(name, f"{unit} is {state}", self.commands.playbook("site.yml"))

    def _calls(self, name: str, calls: Result) -> None:
        p50, p99 = (_milliseconds(calls[key]) for key in ("p50_ms", "p99_ms"))
        counts = f"{calls['calls']} calls, {calls['errors']} errors, p50 {p50}, p99 {p99}"
        self.lines.append(f"  last {calls['seconds']} s: {calls.get('unknown') or counts}")
        if calls.get("unknown"):
            self.wrong(name, calls["unknown"], self.commands.playbook("playbooks/logs.yml"))
        limit = calls["calls"] * float(self.settings["error_percent"]) / 100
        if calls["errors"] > limit:
            what = f"{calls['errors']} of {calls['calls']} calls failed in the last minute"
            command = self.commands.playbook("playbooks/logs.yml -e level=warning")
            self.wrong(name, what, command)

    def _certificates(self, where: str, days: Mapping[str, int | None]) -> str:
        for name, left in days.items():
            if left is None or left < int(self.settings["certificate_days"]):
                what = f"the certificate of {name} "
                what += "cannot be read" if left is None else f"expires in {left} days"
                self.wrong(where, what, self.commands.playbook("site.yml"))
        texts = [f"{name} {left if left is not None else 'no'} days" for name, left in days.items()]
        return ", ".join(texts) or "none"

    def _disks(self, name: str, answer: dict[str, Any]) -> None:
        texts = []
        for path, disk in answer["disks"].items():
            free = disk["free_mebibytes"]
            texts.append(f"{path} {free} of {disk['total_mebibytes']} MiB")
            if free < answer["minimum_free_mebibytes"]:
                what = f"only {free} MiB are free on {path}"
                command = self.commands.on_host(name, f"du --one-file-system --max-depth 2 {path}")
                self.wrong(name, what, command)
        self.lines.append(f"  free: {', '.join(texts)}")

    def _drift(self, name: str, answer: dict[str, Any]) -> None:
        drift = answer["drift"]
        anew = self.commands.playbook("site.yml")
        files = {path: f"{path} {_how(how)}" for path, how in sorted(drift["files"].items())}
        texts = list(files.values())
        for path, text in files.items():
            # The deployment rewrites its own files; what others added, it leaves alone.
            added = drift["files"][path] in {"added", "changes a unit", "masks a unit"}
            self.wrong(name, text, self.commands.on_host(name, f"rm {path}") if added else anew)
        for package, how in sorted(drift.get("packages", {}).items()):
            texts.append(f"package {package}: {how}")
            self.wrong(name, f"package {package}: {how}", anew)
        for text in drift["edited"]:
            texts.append(text)
            command = self.commands.playbook("playbooks/rollback.yml")
            self.wrong(name, f"a file of the release in use differs: {text}", command)
        if not drift["recorded"]:
            texts.append("unknown, since nothing was recorded")
        elif not drift["manifest"] and answer["status"]["release"]:
            texts.append("unknown for the release's files, since it was installed without a list")
        self.lines.append(f"  drift: {'; '.join(texts) or 'none'}")

    def _runs(self, name: str, answer: Mapping[str, Any]) -> None:
        lease = answer["lease"]
        if lease:
            self.lines.append(
                f"  in progress: {lease.get('action')} by {lease.get('by')} from"
                f" {lease.get('from')}, lapses in {lease['seconds_left']:.0f} s"
            )
        for run in answer["interrupted"]:
            what = f"the {_run_words(run)} was interrupted"
            self.lines.append(f"  {what}")
            self.wrong(name, what, self.commands.playbook("site.yml"))


def status_answer(
    asked: Mapping[str, Any],
    hostvars: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, list[str]],
    settings: Settings,
) -> dict[str, object]:
    """Return the `report` to keep, the `lines` to print, and the `problem`, empty when healthy."""
    status = Status(settings)
    status.report = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "deployment": settings["deployment"],
        "environment": settings["environment"],
        "hosts": {},
    }
    if settings["has_stack"]:
        status.service(asked["health"])
        status.own_certificates()
        status.fleet(asked.get("fleet", {}))
        status.fleet_lock(asked.get("lock", {}))
        status.alarms(asked.get("cloud", {}))
        status.firewall(list(asked["drift"]))
        status.stopped(groups.get("stopped", []))
        names = groups.get("grpc_servers", [])
        for name in names:
            calls = asked.get("cloud", {}).get("calls", {}).get(name)
            status.host(name, hostvars[name].get("_status_host", {}), calls)
        for name in groups.get("grpc_clients", []):
            status.client(name, hostvars[name].get("_status_client", {}))
        if not names:
            status.wrong("hosts", "no host runs", status.commands.playbook("site.yml"))
    else:
        status.wrong("stack", "there is none", status.commands.playbook("site.yml"))
    return _answer(status)


def _answer(status: Status) -> dict[str, object]:
    healthy = not status.findings
    name, environment = status.settings["deployment"], status.settings["environment"]
    status.report |= {"healthy": healthy, "findings": [asdict(item) for item in status.findings]}
    head = f"{name} ({environment}): {'healthy' if healthy else 'NOT HEALTHY'}"
    texts = [line for item in status.findings for line in f"  - {item}".splitlines()]
    wrong = ["wrong:", *texts] if texts else []
    problem = ""
    if not healthy:
        first = status.findings[0]
        problem = f"{name} is not healthy: {first.where}: {first.what}. Next: {first.next}"
    return {"report": status.report, "lines": [head, *status.lines, *wrong], "problem": problem}


def days_left(pem: str) -> int | None:
    """Return the whole days until a certificate expires; None for what is no certificate.

    Of several, as while one CA takes over from another, the one that lasts longest counts.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return None
    return (max(one.not_valid_after_utc for one in certificates) - datetime.now(UTC)).days


def _run_words(run: Mapping[str, Any]) -> str:
    return f"{run.get('action')} of {run.get('at')} by {run.get('by')}"


def _way(seconds: Mapping[str, float]) -> str:
    parts = ", ".join(f"{part} {took:g}" for part, took in seconds.items() if part != "total")
    return f"ready {seconds['total']:g} s after its launch: {parts}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _refusal(result: Result) -> str:
    """Return why a host's answer cannot be used, or an empty text."""
    if not result:
        return "it was not asked: --limit left it out"
    if result.get("unreachable"):
        return f"it cannot be reached: {str(result.get('msg', '')).strip()}"
    if result.get("rc") != 0:
        said = (result.get("stderr") or result.get("msg") or "").strip().splitlines()
        return f"grpc-switch cannot report: {said[-1] if said else 'it said nothing'}"
    return ""


def _how(how: str) -> str:
    return how if how.startswith(("changes", "masks")) else f"was {how}"


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g} ms"


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"status_answer": status_answer}
