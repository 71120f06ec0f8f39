"""The process between a playbook and its companion: it ends the one when the other has ended.

Run as `companion_runner.py PIDFD FOLDER BEAT COMMAND...` by plugins/action/companion.py. SIGTERM
ends the command, SIGUSR1 kills it; its exit code is written to FOLDER/exit_code.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

END_SECONDS = 10.0


def main() -> None:
    """Run the command until it, or the playbook, has ended."""
    playbook, folder, beat = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    with (folder / "stdout").open("wb") as output, (folder / "stderr").open("wb") as errors:
        try:
            child = subprocess.Popen(
                sys.argv[4:], stdin=subprocess.PIPE, stdout=output, stderr=errors
            )
        except OSError as error:
            errors.write(f"{sys.argv[4]} could not be started: {error.strerror}\n".encode())
            (folder / "exit_code").write_text("127")
            return
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGUSR1, lambda *_: child.kill())
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "exit_code").write_text(str(accompany(playbook, child, beat)))


def accompany(playbook: int, child: subprocess.Popen[bytes], beat: float) -> int:
    """Wait for the child's end, and end it when the playbook has; return its exit code.

    `playbook` is a pidfd, `beat` the seconds between two lines to the child, 0 for none.
    """
    end = os.pidfd_open(child.pid)
    while True:
        if beat and child.stdin is not None:
            # A child that has closed its input is about to end.
            with suppress(BrokenPipeError):
                child.stdin.write(b"\n")
                child.stdin.flush()
        ready, _, _ = select.select([end, playbook], [], [], beat or None)
        if playbook in ready:
            child.terminate()
            if not select.select([end], [], [], END_SECONDS)[0]:
                child.kill()
        if ready:
            return child.wait()


if __name__ == "__main__":
    main()
