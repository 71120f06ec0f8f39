"""Calls the greeter around the clock: `python -m saudacao.canary --config CLIENT.TOML ...`.

A service of its own beside the users' clients. It writes each failure to its log as one JSON line,
three times a minute how many calls there were, and what it has counted so far to the status file:
who reads that twice knows what came between.
Exit codes: 0 stopped as asked, 2 a configuration or a status file that cannot be used.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter, deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from saudacao.beats import Beats
from saudacao.interruption import Interruption
from saudacao.logs import Log

if TYPE_CHECKING:
    from saudacao.probe import Call

BAD_CONFIGURATION = 2
# Two callers take turns: one whose connection lasts, and one that makes a new one for each call.
CALLERS = 2
# Calls whose latency counts: at one a second those of the last quarter of an hour.
RECENT = 1000
# Seconds between two writes of the status file, unless a call has failed.
QUIET = 0.5
# Seconds between two lines of figures. The alarm for a client that is silent goes by it
# (cloudformation/monitoring.yaml).
FIGURES = 20.0


class Status:
    """What the canary has counted since it began, kept in a file that is replaced as a whole."""

    def __init__(self, path: Path, endpoint: str, log: Log) -> None:
        self._path = path
        self._log = log
        self._adding = Lock()
        self._written = 0.0
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self._statuses: Counter[str] = Counter()
        self._releases: Counter[str] = Counter()
        self._connections = {"persistent": Counter[str](), "fresh": Counter[str]()}
        self._counts = Counter(calls=0, failed=0, wrong=0)
        self._told = self._counts.copy()
        self._last_failure: dict[str, str | None] | None = None
        self._facts = {"release": log.release, "endpoint": endpoint, "since": _now()}
        self._write()

    def add(self, call: "Call") -> None:
        """Count a call; one that went wrong is logged. May be called from several threads."""
        from saudacao.tally import describe

        with self._adding:
            went = {"calls": 1, "failed": call.failure is not None, "wrong": call.wrong}
            self._counts.update(went)
            self._connections["fresh" if call.fresh else "persistent"].update(went)
            self._statuses[call.status] += 1
            self._seconds.append(call.seconds)
            if call.release is not None:
                self._releases[call.release] += 1
            if call.problem:
                self._last_failure = describe(call)
                facts: dict[str, object] = {**self._last_failure}
                facts["answered_by"] = facts.pop("release")
                facts |= {"fresh": call.fresh, "duration_ms": round(call.seconds * 1000, 3)}
                self._log.write("error", "call", facts)
            if call.problem or time.monotonic() - self._written >= QUIET:
                # A file that cannot be written grows old, which says it; the calls go on.
                with contextlib.suppress(OSError):
                    self._write()

    def figures(self) -> dict[str, object]:
        """Return the calls since the last time, and those of them that failed or were wrong."""
        with self._adding:
            found = {name: count - self._told[name] for name, count in self._counts.items()}
            self._told = self._counts.copy()
            return {**found}

    def _write(self) -> None:
        from saudacao.tally import RANKS, percentiles

        ordered = sorted(self._seconds)
        text = json.dumps(
            {
                "at": _now(),
                **self._facts,
                **self._counts,
                "by_status": self._statuses,
                "releases": self._releases,
                "connections": self._connections,
                "latency_ms": percentiles(ordered, *RANKS) if ordered else None,
                "last_failure": self._last_failure,
            },
            ensure_ascii=False,
        )
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_text(text + "\n", "utf-8")
        beside.chmod(0o644)
        beside.replace(self._path)
        self._written = time.monotonic()


def main() -> None:
    """Call until SIGTERM."""
    options = _options()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    interruption = Interruption()
    from saudacao import client
    from saudacao.names import varied
    from saudacao.notify import notify
    from saudacao.probe import Plan, Probe

    log = Log(os.environ.get("CLIENT_RELEASE", "dev"))
    try:
        config = client.load(options.config)
        status = Status(options.status_file, config.endpoint, log)
        plan = Plan(
            count=None,
            concurrency=CALLERS,
            rate=options.rate,
            timeout=config.robustness.deadline,
            mixed=True,
            calls_a_connection=1,
            robust=True,
        )
        probe = Probe(config, plan, varied(()), status.add)
    except (client.ConfigError, OSError) as error:
        log.failure("failed", message=str(error), exit_code=BAD_CONFIGURATION)
        sys.exit(BAD_CONFIGURATION)
    log.info("calling", endpoint=config.endpoint, rate=options.rate)
    notify("READY=1", f"STATUS=calling {config.endpoint}")
    Beats(log, FIGURES, status.figures).start()
    seconds = interruption.run(probe.run, probe.stop)
    log.info("stop", seconds=round(seconds, 3))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="saudacao-canary", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="client.toml")
    parser.add_argument("--status-file", type=Path, required=True, help="where to keep the counts")
    parser.add_argument("--rate", type=_positive, default=1.0, help="calls a second")
    return parser.parse_args()


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1000")
    return number


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    main()
