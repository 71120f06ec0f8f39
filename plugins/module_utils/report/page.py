"""The page: everything that is known of a deployment, as one HTML file that needs no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from plugins.module_utils.report import past
from plugins.module_utils.report.certificate import Certificate, certificates
from plugins.module_utils.report.costs import Costs, costs
from plugins.module_utils.report.figures import Figures, figures
from plugins.module_utils.report.plot import Plot, Series, short
from plugins.module_utils.report.words import clock, harmless, span, utc

Answer = dict[str, Any]

OWN_CERTIFICATES = ("ca.crt", "server-ca.crt", "client.crt")
MOST_RUNS = 20
MOST_PROOFS = 8
MOST_LINES = 40


@dataclass(frozen=True)
class Host:
    """What was found out about one host: its place, and what it answered."""

    name: str
    kind: str
    zone: str
    address: str
    history: Answer
    said: str
    pems: dict[str, str]
    proof: Answer


@dataclass(frozen=True)
class Page:
    """The deployment to show. `status` is the report of roles/status, `hosts` its servers."""

    status: Mapping[str, Any]
    hosts: list[Host]
    stopped: list[str]
    clients: list[str]
    stack: Mapping[str, Any]
    verification: Answer
    plan: Answer
    settings: Mapping[str, Any]

    def html(self, template: Path) -> str:
        """Return the page."""
        return _template(template).render(page=self)

    @cached_property
    def now(self) -> datetime:
        """When the deployment was asked."""
        return past.moment(self.status["time"])

    @property
    def fleet(self) -> bool:
        """Whether its hosts are behind a load balancer."""
        return bool(self.stack.get("Topology") == "fleet")

    @property
    def in_use(self) -> list[str]:
        """The releases that take new connections, one unless a run is at work."""
        told = [host["status"] for host in self.status["hosts"].values() if "status" in host]
        return sorted({str(status["release"]) for status in told if status["release"]})

    @cached_property
    def figures(self) -> Figures | None:
        """The calls of all hosts over time."""
        found = figures(self._histories.values())
        return found and found.starting(past.born(self._histories.values()))

    @cached_property
    def runs(self) -> list[past.Run]:
        """The runs of all hosts, the newest first."""
        answers = self.status["hosts"].values()
        leases = [host["lease"]["id"] for host in answers if host.get("lease")]
        begin = self.figures.since if self.figures else self.now.timestamp()
        return past.runs(self._histories, leases, begin)

    @property
    def last_runs(self) -> list[past.Run]:
        """Those that are shown."""
        return self.runs[:MOST_RUNS]

    @cached_property
    def styles(self) -> past.Styles:
        """The colours of the releases."""
        used = [run.release for run in self.runs[::-1] if run.switched and run.release]
        names = [*(self.figures.releases if self.figures else []), *used]
        # The one that was brought last is the newest, also after a rollback.
        last = {name: place for place, name in enumerate(names)}
        return past.Styles(sorted(last, key=lambda name: last[name]))

    @cached_property
    def plots(self) -> list[Plot]:
        """Calls, errors and latency over time."""
        found = self.figures
        return [] if found is None else [self._calls(found), self._errors(found), self._took(found)]

    @cached_property
    def proofs(self) -> list[past.Proof]:
        """The last switch of each host, as its client saw it."""
        kept = [host for host in self.hosts if host.proof][:MOST_PROOFS]
        return [past.proof(host.name, host.proof, self.runs, self.styles) for host in kept]

    @cached_property
    def certificates(self) -> list[Certificate]:
        """The certificates of the control node and of the hosts."""
        folder = Path(self.settings["certificates"])
        own = {name: folder / name for name in OWN_CERTIFICATES}
        found = [
            one
            for name, path in own.items()
            if path.is_file()
            for one in certificates("control node", name, path.read_text("utf-8"), self.now)
        ]
        for host in self.hosts:
            for name, pem in sorted(host.pems.items()):
                found += certificates(host.name, name, pem, self.now)
        return found

    @cached_property
    def drift(self) -> list[tuple[str, list[str]]]:
        """How each host, and the firewall, differs from what was deployed."""
        found = [
            (name, drift_of(host["drift"], host["status"]["release"]))
            for name, host in self.status["hosts"].items()
            if "drift" in host
        ]
        rules = [str(rule["what"]) for rule in self.status.get("security_group_drift", [])]
        return [*found, ("security group", rules)] if "service" in self.status else found

    @property
    def planned(self) -> list[str]:
        """What site.yml would have changed when it was last asked.

        Not the differences of the release: they have settings, which may be secret.
        """
        plan = self.plan
        parts = {key: plan.get(key) or [] for key in ("stack", "certificates", "control_node")}
        lines = [
            f"{where.replace('_', ' ')}: {line}"
            for where, found in {**parts, **plan.get("hosts", {})}.items()
            for line in found
        ]
        return lines[:MOST_LINES]

    @cached_property
    def costs(self) -> Costs:
        """What it costs a month."""
        types = [host.kind for host in self.hosts] + self.clients
        return costs(
            types,
            len(self.stopped),
            self.settings["prices"],
            gibibytes=float(self.settings["gibibytes"]),
            balanced=self.fleet,
        )

    @property
    def silent(self) -> list[tuple[str, str]]:
        """The hosts that had no figures to give, or not all, and why."""
        found = [(host.name, host.said) for host in self.hosts if host.said]
        known = {host.name: host.history.get("unknown") for host in self.hosts if host.history}
        return found + [(name, str(why)) for name, why in known.items() if why]

    @property
    def _histories(self) -> dict[str, Answer]:
        return {host.name: host.history for host in self.hosts if host.history}

    def _plot(self, found: Figures, name: str, title: str, words: str, **rest: Any) -> Plot:
        late = found.since if found.since > found.begin else None
        return Plot(
            name=name, title=title, words=words, begin=found.begin, end=found.end,
            marks=past.marks(self.runs), missing_until=late, **rest,
        )  # fmt: skip

    def _calls(self, found: Figures) -> Plot:
        minutes = found.width / 60
        series = [
            Series(
                name,
                self.styles.of(name),
                [(at, one.releases[name] / minutes) for at, one in found.slices.items()],
            )
            for name in found.releases
        ]
        words = f"{found.total.calls:,} calls, by the release that answered."
        return self._plot(found, "calls", "Calls a minute", words, series=series, width=found.width)

    def _errors(self, found: Figures) -> Plot:
        minutes, total = found.width / 60, found.total
        faults = [(at, one.faults / minutes) for at, one in found.slices.items()]
        refused = [(at, one.refused / minutes) for at, one in found.slices.items()]
        series = [
            Series("the server's errors", "bad", faults),
            Series("the callers' own", "warn", refused),
        ]
        words = f"{total.faults:,} errors of the server, {total.refused:,} that callers made."
        return self._plot(
            found, "errors", "Errors a minute", words, series=series, width=found.width
        )

    def _took(self, found: Figures) -> Plot:
        middle = found.width / 2
        moments = range(found.since, found.end, found.width)
        series = []
        for share, style in ((50, "p50"), (99, "p99")):
            points = [
                (at + middle, found.slices[at].percentile(share) if at in found.slices else None)
                for at in moments
            ]
            series.append(Series(f"p{share}", style, points))
        total = found.total
        words = "No calls." if not total.took else (
            f"Half of all calls took at most {short(total.percentile(50) or 0)} ms,"
            f" 99 of 100 at most {short(total.percentile(99) or 0)} ms."
        )  # fmt: skip
        return self._plot(found, "latency", "Milliseconds a call", words, series=series)


def drift_of(drift: Answer, release: str | None) -> list[str]:
    """Return what differs on a host, in sentences."""
    found = [f"{path}: {how}" for path, how in sorted(drift["files"].items())]
    found += [f"package {name}: {how}" for name, how in sorted(drift.get("packages", {}).items())]
    found += [str(text) for text in drift["edited"]]
    if not drift["recorded"]:
        found.append("unknown, since nothing was recorded")
    elif not drift["manifest"] and release:
        found.append("unknown for the release's files, since it was installed without a list")
    return found


@cache
def _template(path: Path) -> Template:
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": short, "utc": utc, "clock": clock, "span": span}
    return environment.get_template(path.name)


def load(text: str) -> Answer:
    """Return the object of a JSON text; nothing of what is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
