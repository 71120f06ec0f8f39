"""What a test run that was interrupted has left is ended, and nothing else."""

import os
import signal
import subprocess

from tests.leftovers import end, marked

STUBBORN = "trap '' TERM; echo; while true; do sleep 1; done"


def start(mark: str, program: str) -> "subprocess.Popen[str]":
    """Start a shell in a session of its own that has a mark, and wait for its first line."""
    process = subprocess.Popen(
        ["sh", "-c", program],
        env=os.environ | {"TRIAL": mark},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_processes_with_the_mark_are_ended_even_if_they_refuse() -> None:
    mine = str(os.getpid())
    with (
        start(mine, "echo; exec sleep 60") as polite,
        start(mine, STUBBORN) as stubborn,
        start(f"{mine}0", "echo; exec sleep 60") as other,
    ):
        end(lambda: list(marked(f"TRIAL={mine}".encode())), seconds=1)
        assert polite.wait(5) == -signal.SIGTERM
        assert stubborn.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
