"""Starts the program. A verb that changes something runs in a systemd unit of its own.

So a caller that goes away, such as a cut connection, does not stop it half way. It loads nothing
that this does not need: a release that serves shares its cores with each switch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGING = ("install", "switch", "confirm", "undo", "back", "certificates")
WAYS_BACK = ("undo", "back")
# Set within the unit.
INSIDE = "GRPC_SWITCH_INSIDE"
OWN_CODES = (0, 1, 2)


def main() -> int:
    """Run the verb of the command line and return the exit code, here or in a unit."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb in CHANGING and INSIDE not in os.environ:
        return _run_in_unit(verb, sys.argv)
    from .__main__ import main as run

    return run()


def _run_in_unit(verb: str, command: Sequence[str]) -> int:
    """Run the same command in a unit, wait for it and return its exit code."""
    unit = f"grpc-switch-{verb}-{os.getpid()}"
    options = ["--quiet", "--wait", "--pipe", "--collect", f"--unit={unit}"]
    # The release in use answers calls meanwhile, and they come first; a way back does not wait.
    options += [] if verb in WAYS_BACK else ["--nice=10"]
    program = os.path.realpath(command[0])
    try:
        words = ["systemd-run", *options, f"--setenv={INSIDE}=1", program, *command[1:]]
        code = subprocess.run(words, check=False).returncode
    except OSError as error:
        sys.stderr.write(f"grpc-switch {verb}: systemd-run could not be started: {error}\n")
        return 1
    if code not in OWN_CODES:
        sys.stderr.write(
            f"grpc-switch {verb}: the program was ended before it was done ({code}). The host puts"
            f" itself in order; run it again. What happened: journalctl -u {unit}\n"
        )
        return 1
    return code
