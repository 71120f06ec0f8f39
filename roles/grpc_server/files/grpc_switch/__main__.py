"""The command line: one verb, a JSON answer on stdout, a sentence on stderr when it is refused."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import config as configuration
from .certificates import Certificates
from .guard import guard
from .install import Releases
from .status import status
from .switching import Switch
from .system import RefusedError, locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .config import Config

# Set in the transient unit in which a verb that changes something runs: it outlives the caller.
INSIDE = "GRPC_SWITCH_INSIDE"
CHANGING = {"install", "switch", "confirm", "back", "certificates"}
WATCHING = {"guard", "watch"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Exit 0: done or nothing to do; 1: refused or failed; 2: wrong usage."""
    os.umask(0o022)
    options = _parser().parse_args(arguments)
    try:
        if options.verb in CHANGING and INSIDE not in os.environ:
            return _run_in_unit(options.verb, sys.argv)
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


def _run(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    switch = Switch(config)
    if options.verb == "status":
        return status(config)
    with locked(config.lock):
        if options.verb == "install":
            switch.reconcile()
            return Releases(config).install(options.archive)
        if options.verb == "certificates":
            return Certificates(config).take()
        if options.verb == "switch":
            return switch.switch(
                options.release, options.confirm_within or config.confirm_within_seconds
            )
        return switch.confirm(options.release) if options.verb == "confirm" else switch.back()


def _watch(config: Config, verb: str) -> None:
    if verb == "guard":
        guard(config)
    else:
        Switch(config).watch()


def _run_in_unit(verb: str, command: Sequence[str]) -> int:
    """Run the same command in a unit of its own, wait for it and return its exit code.

    A caller that goes away, such as a cut connection, does not stop it half way.
    """
    unit = f"--unit=grpc-switch-{verb}-{os.getpid()}"
    options = ["--quiet", "--wait", "--pipe", "--collect", unit, f"--setenv={INSIDE}=1"]
    program = str(Path(command[0]).resolve())
    try:
        words = ["systemd-run", *options, program, *command[1:]]
        return subprocess.run(words, check=False).returncode
    except OSError as error:
        raise RefusedError(f"systemd-run could not be started: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grpc-switch", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    install = verbs.add_parser("install", help="install a release from its archive")
    install.add_argument("archive", type=Path, metavar="ARCHIVE")
    switch = verbs.add_parser("switch", help="send new connections to a release, provisionally")
    switch.add_argument("release", metavar="RELEASE")
    switch.add_argument("--confirm-within", type=float, metavar="SECONDS")
    confirm = verbs.add_parser("confirm", help="make the switch final; end the previous release")
    confirm.add_argument("release", nargs="?", metavar="RELEASE")
    verbs.add_parser("back", help="undo the switch, or return to the release before")
    verbs.add_parser("certificates", help="check the staged certificates and take them into use")
    verbs.add_parser("status", help="say which releases are here and which one is in use")
    verbs.add_parser("guard", help="restore the redirect whenever it is removed (a unit runs this)")
    verbs.add_parser("watch", help="undo an unconfirmed switch in time (a unit runs this)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
