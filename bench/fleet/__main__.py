"""Upgrades a fleet host by host, again and again, under load: `python -m bench.fleet`.

It needs root, for the local cloud. What it measures is added to a file, so that a bench in several
parts, each with --keep, counts as one. The last part, without --keep, removes the fleet.
"""

import argparse
import json
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.fleet.releases import SETTINGS, TURNS
from bench.upgrade.deployment import bench_cloud
from bench.upgrade.machine import hardware
from tests.conftest import ROOT, Cloud
from tests.e2e.environment import Environment

NAME = "fleetbench"
STOP_SECONDS = 30
WITNESSED = re.compile(r"made (\d+) calls meanwhile, all right")


def main() -> None:
    """Run one part of the bench; exit 1 when a call failed."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    measured = options.folder / "measured.jsonl"
    cloud = bench_cloud()
    was_running = cloud.is_running()
    if not was_running:
        cloud.command("up")
    try:
        environment = _environment(cloud, options, is_new=not was_running)
        if options.upgrades:
            part = _measure(environment, options.upgrades, options.rate)
            with measured.open("a") as file:
                file.write(json.dumps(part) + "\n")
    finally:
        if not options.keep:
            cloud.command("down")
            shutil.rmtree(options.folder / ".deploy", ignore_errors=True)
    parts = [json.loads(line) for line in measured.read_text().splitlines()]
    sys.stdout.write(table(parts))
    sys.exit(1 if any(part["failed"] or part["wrong"] or part["error"] for part in parts) else 0)


def table(parts: Iterable[dict[str, Any]]) -> str:
    """Return what all parts measured together, as a table."""
    totals: Counter[str] = Counter()
    seconds: list[float] = []
    for part in parts:
        totals.update({key: part[key] for key in ("calls", "failed", "wrong", "witnessed")})
        seconds += part["seconds"]
    middle = median(seconds) if seconds else 0
    return (
        f"Machine: {hardware()}\n\n"
        "| upgrades | median seconds | calls | failed | wrong | calls of the fleet's own client |\n"
        "|---|---|---|---|---|---|\n"
        f"| {len(seconds)} | {middle:.0f} | {totals['calls']} | {totals['failed']} |"
        f" {totals['wrong']} | {totals['witnessed']} |\n"
    )


def _environment(cloud: Cloud, options: argparse.Namespace, *, is_new: bool) -> Environment:
    """Return the fleet of an earlier part, or a new one."""
    environment = Environment.create(
        NAME,
        options.folder,
        cloud,
        topology="fleet",
        release_settings=SETTINGS,
        stack_vpc_cidr=f"{cloud.octets}.64.0/20",
        stack_desired_size=options.hosts,
        stack_max_size=2 * options.hosts,
        grpc_client_rate=5,
    )
    if is_new or not (environment.state / "client.toml").exists():
        _say(f"making a fleet of {options.hosts} hosts")
        environment.playbook("site.yml")
    return environment


def _measure(environment: Environment, upgrades: int, rate: float) -> dict[str, Any]:
    """Upgrade so often while a client without retries calls, over kept and fresh connections."""
    load = environment.start(
        *("saudacao-client", "--json", "--mixed", "--concurrency=8"),
        *(f"--rate={rate}", "--duration=7200"),
    )
    seconds: list[float] = []
    witnessed, error = 0, ""
    try:
        for number in range(upgrades):
            settings = json.dumps({"release_settings": SETTINGS | _turn(environment.folder)})
            began = time.monotonic()
            run = environment.playbook("playbooks/deploy.yml", "-e", settings)
            seconds.append(time.monotonic() - began)
            witnessed += sum(int(calls) for calls in WITNESSED.findall(run.output))
            error = "" if min(run.changed.values()) else f"not all changed: {run.changed}"
            if error:
                break
            _say(f"upgrade {number + 1} took {seconds[-1]:.1f} s")
    except AssertionError as failure:
        error = str(failure)
        _say(error)
    finally:
        load.send_signal(signal.SIGINT)
        output, _ = load.communicate(timeout=STOP_SECONDS)
    seen: dict[str, Any] = json.loads(output.splitlines()[0])
    kept = ("calls", "failed", "wrong", "by_status", "releases", "latency_ms", "first_failure")
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": seconds,
        "witnessed": witnessed,
        "error": error,
        **{key: seen[key] for key in kept},
    }


def _turn(folder: Path) -> dict[str, str]:
    """Return the settings whose turn it is, also after a part that was interrupted."""
    path = folder / "turn"
    turn = 1 - int(path.read_text()) if path.exists() else 0
    path.write_text(str(turn))
    return TURNS[turn]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    add = parser.add_argument
    add("--upgrades", type=int, default=20, help="in this part [%(default)s]")
    add("--hosts", type=int, default=2, help="of the fleet [%(default)s]")
    add("--rate", type=float, default=120, help="calls a second [%(default)s]")
    add("--keep", action="store_true", help="leave the fleet for the next part")
    add("--folder", type=Path, default=ROOT / ".cache/bench-fleet", help="[%(default)s]")
    return parser.parse_args()


def _say(what: str) -> None:
    sys.stderr.write(f"bench.fleet: {what}\n")


if __name__ == "__main__":
    main()
