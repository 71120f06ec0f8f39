"""Upgrades a host under load, our way and the peers' ways: `python -m bench.upgrade`.

It needs root, for the local cloud, and node. It ends all that it started, also when interrupted,
and writes the figures into bench/upgrade/README.md and figures.json beside it.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from bench.upgrade import figures, load, machine
from bench.upgrade.deployment import deployed, running_cloud
from bench.upgrade.ways import PEER_PORT, PEERS, Switch, Way

HERE = Path(__file__).parent


def main() -> None:
    """Run the bench; exit 1 when ours lost a call or was slower than its limit."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    signal.alarm(round(options.limit * 60))
    load.install_node_client()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = stack.enter_context(running_cloud())
        _say("deploying to a host of the local cloud")
        deployment = stack.enter_context(deployed(cloud, folder, PEER_PORT))
        counts = {Switch: options.upgrades, **dict.fromkeys(PEERS, options.peer_upgrades)}
        results = [_measure(way(deployment), counts[way], options, folder) for way in counts]
        facts = machine.describe(deployment.host, options.rate)
    summaries = [result.summary() for result in results]
    _write(summaries, facts, options.output)
    ours = summaries[0]
    sys.exit(0 if not ours["failed"] and (ours["p99_ratio"] or 0) <= figures.LIMIT else 1)


def _measure(way: Way, upgrades: int, options: argparse.Namespace, folder: Path) -> figures.Result:
    _say(f"{way.name}: {upgrades} upgrades")
    way.prepare()
    windows = []
    with load.calling(way.deployment.client, way.port, options.rate, folder) as calls:
        _pause(options.pause)
        for number in range(upgrades):
            windows.append(way.upgrade(number))
            _pause(options.pause)
    result = figures.Result(way.name, windows, calls.made)
    summary = result.summary()
    _say(f"{summary['calls']} calls, {summary['failed']} failed, p99 {summary['p99_ms']}")
    return result


def _write(summaries: list[dict[str, object]], facts: dict[str, str], output: Path) -> None:
    text = figures.table(summaries, facts)
    sys.stdout.write(text)
    values = {"machine": facts, "ways": summaries}
    (output / "figures.json").write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    readme = output / "README.md"
    document = (HERE / "README.md").read_text()
    readme.write_text(figures.replaced(document, text))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description=__doc__)
    add = parser.add_argument
    add("--upgrades", type=int, default=60, help="of ours [%(default)s]")
    add("--peer-upgrades", type=int, default=10, help="of each peer [%(default)s]")
    add("--rate", type=float, default=150, help="calls a second, in all [%(default)s]")
    add("--pause", type=float, default=6, help="steady seconds between upgrades [%(default)s]")
    add("--limit", type=float, default=60, help="minutes after which it gives up [%(default)s]")
    add("--output", type=Path, default=HERE, help="folder for the figures [beside the program]")
    return parser.parse_args()


def _pause(seconds: float) -> None:
    """Let the clients call a host at rest: the steady state that upgrades are compared with."""
    time.sleep(seconds)


def _interrupt(number: int, _frame: object) -> NoReturn:
    what = "the time limit is over" if number == signal.SIGALRM else "interrupted"
    raise SystemExit(f"bench.upgrade: {what}; no figures were written")


def _say(what: str) -> None:
    sys.stderr.write(f"bench.upgrade: {what}\n")


if __name__ == "__main__":
    main()
