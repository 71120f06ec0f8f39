"""The command line: one verb, a JSON answer on stdout, a sentence on stderr when it is refused."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import config as configuration
from . import journal
from .certificates import Certificates
from .lease import Lease
from .logs import LEVELS
from .switching import Switch
from .system import RefusedError, locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .config import Config

RUNS = {"begin", "end"}
WATCHING = {"guard", "watch"}
ASKING = {"status", "journal", "report", "record", "logs", "history"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Exit 0: done or nothing to do; 1: refused or failed; 2: wrong usage."""
    os.umask(0o022)
    options = _parser().parse_args(arguments)
    try:
        config = configuration.load()
        if options.verb in WATCHING:
            _watch(config, options.verb)
            return 0
        answer = _run(config, options)
    except RefusedError as error:
        sys.stderr.write(f"grpc-switch {options.verb}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _run(config: Config, options: argparse.Namespace) -> Any:
    switch = Switch(config)
    if options.verb in ASKING:
        # What a switch does not need is not loaded: it would take a serving release's cores.
        from .asking import answer

        return answer(config, options)
    if options.verb in RUNS:
        return _run_of(config, options)
    with locked(config.lock):
        if options.run is not None:
            Lease(config).require(options.run)
        if options.verb == "install":
            return switch.install(options.archive)
        if options.verb == "certificates":
            return Certificates(config).take()
        if options.verb == "switch":
            return switch.switch(
                options.release,
                options.confirm_within or config.confirm_within_seconds,
                options.run,
            )
        if options.verb == "confirm":
            confirmed = switch.confirm(options.release)
            if options.run is not None and options.json is not None:
                _end(config, options.run, options.json)
            return confirmed
        return switch.undo(options.release) if options.verb == "undo" else switch.back()


def _run_of(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Begin or end a run: its lease, and its lines in the journal."""
    if options.verb == "end":
        _end(config, options.id, options.json)
    else:
        lease = Lease(config)
        lease.take(options.id, options.json, options.seconds)
        journal.begin(config, options.id, options.json)
        _hold(lease, options.id)
        lease.give_back(options.id)
    return {"changed": True, "run": options.id}


def _end(config: Config, run: str, outcome: dict[str, Any]) -> None:
    journal.end(config, run, outcome)
    Lease(config).give_back(run)


def _hold(lease: Lease, run: str) -> None:
    """Renew the lease at each line on standard input, until its end: then the caller is gone."""
    sys.stdout.write("held\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        lease.renew(run)


def _watch(config: Config, verb: str) -> None:
    if verb == "guard":
        from .guard import guard

        guard(config)
    else:
        Switch(config).watch()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grpc-switch", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def changing(verb: str, does: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(verb, help=does)
        added.add_argument("--run", metavar="ID", help="refuse when another run has the lease")
        return added

    install = changing("install", "install a release from its archive")
    install.add_argument("archive", type=Path, metavar="ARCHIVE")
    switch = changing("switch", "send new connections to a release, provisionally")
    switch.add_argument("release", metavar="RELEASE")
    switch.add_argument("--confirm-within", type=float, metavar="SECONDS")
    confirm = changing("confirm", "make the switch final; end the previous release")
    confirm.add_argument("release", nargs="?", metavar="RELEASE")
    confirm.add_argument(
        "--json", type=_json_object, metavar="OBJECT", help="end the run too, as `end` does"
    )
    undo = changing("undo", "undo the provisional switch to a release")
    undo.add_argument("release", metavar="RELEASE")
    changing("back", "undo the switch, or return to the release before")
    changing("certificates", "check the staged certificates and take them into use")
    status = verbs.add_parser("status", help="say which releases are here and which one is in use")
    status.add_argument(
        "--compare", metavar="RELEASE", help="say too what differs from what was deployed"
    )
    verbs.add_parser("journal", help="say which runs there were, and how they ended")
    begin = verbs.add_parser(
        "begin",
        help="journal what a run intends, and hold its lease: renewed at each line on standard"
        " input, given back at its end",
    )
    begin.add_argument("--seconds", type=float, default=60, help="how long the lease is")
    end = verbs.add_parser("end", help="journal how a run ended, and give its lease back")
    for run in (begin, end):
        run.add_argument("id", metavar="ID")
        run.add_argument("--json", type=_json_object, required=True, metavar="OBJECT")
    verbs.add_parser("report", help="say all there is to know of this host")
    keep = verbs.add_parser("record", help="keep what was deployed, for report to compare with")
    keep.add_argument(
        "release", nargs="?", help="name its files that were edited", metavar="RELEASE"
    )
    _add_logs(verbs.add_parser("logs", help="print the service's log as a JSON list"))
    past = verbs.add_parser("history", help="sum up the calls of the last hours, and the last runs")
    past.add_argument("--hours", type=float, default=6, metavar="NUMBER")
    verbs.add_parser("guard", help="restore the redirect whenever it is removed (a unit runs this)")
    verbs.add_parser("watch", help="undo an unconfirmed switch in time (a unit runs this)")
    return parser


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is needed")
    return value


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=100, metavar="NUMBER")
    parser.add_argument("--since", default="", metavar="TIME")
    parser.add_argument("--until", default="", metavar="TIME")
    parser.add_argument("--request-id", default="", metavar="ID")
    parser.add_argument("--level", default="", choices=("", *LEVELS))


if __name__ == "__main__":
    sys.exit(main())
