"""Times fleets of several sizes: `python -m bench.fleet.sizes 1 2 4 8`.

It needs root, for the local cloud. Each fleet is made from nothing, deployed to without a change,
upgraded on all hosts at once, and removed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.fleet.releases import SETTINGS, TURNS
from bench.upgrade.deployment import running_cloud
from bench.upgrade.machine import hardware
from tests.conftest import ROOT, Cloud
from tests.e2e.environment import Environment

MEASURED = ROOT / ".cache/bench-fleet/sizes.jsonl"
SITE = "site.yml"
COLUMNS = ("hosts", "made", "again", "upgraded", "removed", "mebibytes")


def main() -> None:
    """Measure each size that is named, and print all that were measured so far."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.sizes", description=__doc__)
    parser.add_argument("sizes", type=int, nargs="+", metavar="HOSTS")
    MEASURED.parent.mkdir(parents=True, exist_ok=True)
    with running_cloud() as cloud, MEASURED.open("a") as file:
        for size in parser.parse_args().sizes:
            file.write(json.dumps(measure(cloud, MEASURED.parent, size)) + "\n")
            file.flush()
    sys.stdout.write(table([json.loads(line) for line in MEASURED.read_text().splitlines()]))


def measure(cloud: Cloud, folder: Path, size: int) -> dict[str, float]:
    """Return the seconds that each run took, and the memory that the fleet took of the machine."""
    environment = Environment.create(
        f"fleet{size}",
        folder,
        cloud,
        topology="fleet",
        release_settings=SETTINGS | TURNS[0],
        stack_vpc_cidr=f"{cloud.octets}.64.0/20",
        stack_min_size=size,
        stack_max_size=size + 1,
        fleet_batch="100%",
    )
    upgrade = json.dumps({"release_settings": SETTINGS | TURNS[1]})
    free = _free()
    made = _seconds(lambda: environment.playbook(SITE))
    used = free - _free()
    again = _seconds(lambda: _unchanged(environment))
    upgraded = _seconds(lambda: environment.playbook("playbooks/deploy.yml", "-e", upgrade))
    removed = _seconds(lambda: environment.playbook("teardown.yml"))
    figures = (size, made, again, upgraded, removed, used)
    return dict(zip(COLUMNS, figures, strict=True))


def table(rows: list[dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    heads = ("hosts", "made, s", "run again, s", "upgraded at once, s", "removed, s", "memory, MiB")
    lines = [[f"{row[column]:.0f}" for column in COLUMNS] for row in rows]
    cells = (heads, ("---",) * len(heads), *lines)
    return "\n".join((f"Machine: {hardware()}", "", *(f"| {' | '.join(c)} |" for c in cells), ""))


def _unchanged(environment: Environment) -> None:
    changed = environment.playbook(SITE).changed
    if any(changed.values()):
        raise RuntimeError(f"a second run changed something: {changed}")


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _free() -> float:
    """Return the memory that is free to use, in MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    [available] = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(available) / 1024


if __name__ == "__main__":
    main()
