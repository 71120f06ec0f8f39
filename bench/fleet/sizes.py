"""Times fleets of several sizes: `python -m bench.fleet.sizes 1 2 4 8`.

It needs root, for the local cloud. Each fleet is made from nothing, deployed to without a change,
upgraded on all hosts at once, first to another setting and then to other code, and removed. Each
upgrade is proven as a person's is.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from bench.fleet.releases import SETTINGS, TURNS
from bench.upgrade.deployment import running_cloud
from bench.upgrade.machine import hardware
from tests.conftest import ROOT, Cloud
from tests.e2e.environment import Environment

MEASURED = ROOT / ".cache/bench-fleet/sizes.jsonl"
SITE = "site.yml"
DEPLOY = "playbooks/deploy.yml"
COLUMNS = {
    "hosts": "hosts",
    "made": "made, s",
    "again": "run again, s",
    "setting": "another setting, s",
    "code": "other code, s",
    "removed": "removed, s",
    "mebibytes": "memory, MiB",
}
DEFAULTS = yaml.safe_load((ROOT / "roles/grpc_server/defaults/main.yml").read_text())
# The tests' environments have a shorter one.
PROOF = {
    f"grpc_server_proof_{name}": DEFAULTS[f"grpc_server_proof_{name}"]
    for name in ("command", "seconds", "calls", "p99_ms", "slowdown")
}


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
        **PROOF,
    )
    setting: dict[str, object] = {"release_settings": SETTINGS | TURNS[1]}
    project = other_code(folder / f"fleet{size}/app")
    code: dict[str, object] = {**setting, "release_projects": [str(project)]}
    free = _free()
    made = _seconds(lambda: environment.playbook(SITE))
    used = free - _free()
    again = _seconds(lambda: _unchanged(environment))
    upgraded = [_seconds(partial(_upgrade, environment, to)) for to in (setting, code)]
    removed = _seconds(lambda: environment.playbook("teardown.yml"))
    figures = (size, made, again, *upgraded, removed, used)
    return dict(zip(COLUMNS, figures, strict=True))


def other_code(folder: Path) -> Path:
    """Return a copy of the app in which one file is different."""
    shutil.copytree(ROOT / "app", folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "proto", folder / "proto", dirs_exist_ok=True)
    with (folder / "src/saudacao/greeter.py").open("a") as file:
        file.write("# Other code.\n")
    return folder


def table(rows: list[dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [[f"{row[column]:.0f}" for column in COLUMNS] for row in rows]
    cells = (COLUMNS.values(), ("---",) * len(COLUMNS), *lines)
    return "\n".join((f"Machine: {hardware()}", "", *(f"| {' | '.join(c)} |" for c in cells), ""))


def _upgrade(environment: Environment, to: dict[str, object]) -> None:
    environment.playbook(DEPLOY, "-e", json.dumps(to))


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
