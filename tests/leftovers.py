"""Ends what the workers of a test run have left, when Ctrl-C has ended them before they could."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, reserved

TEST_CLOUDS = re.compile(r"test\d+(x\d+)?|molecule")
# Every process that a run has started carries the run's number in its environment.
MARK = "SAUDACAO_TEST_RUN"
END_SECONDS = 5.0


def pytest_configure(config: pytest.Config) -> None:
    """Mark this run, in the process from which its workers start."""
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = str(os.getpid())


def pytest_keyboard_interrupt() -> None:
    """Say why the prompt is not back at once."""
    sys.stderr.write("\nEnding what the tests have started; this takes up to half a minute ...\n")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End its processes, then its clouds; a second Ctrl-C must not leave half of that undone."""
    if hasattr(config, "workerinput"):
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    mark = f"{MARK}={os.getpid()}".encode()
    # What is at work on a cloud holds its lock, and is waited for.
    end(lambda: [pid for pid in marked(mark) if not _is_of_a_cloud(pid)])
    for lock in Path("/run/localcloud").glob("*.lock"):
        if TEST_CLOUDS.fullmatch(lock.stem):
            with contextlib.suppress(pytest.fail.Exception), reserved(lock.stem):
                down = [sys.executable, "-m", "localcloud", "--name", lock.stem, "down"]
                subprocess.run(down, cwd=ROOT, check=True)
    end(lambda: list(marked(mark)))
    signal.signal(signal.SIGINT, before)


def marked(mark: bytes) -> Iterator[int]:
    """List the processes that were started with a mark, without this one."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        pid = int(path.parent.name)
        with contextlib.suppress(OSError):
            if pid != os.getpid() and mark in path.read_bytes().split(b"\0"):
                yield pid


def end(processes: Callable[[], list[int]], seconds: float = END_SECONDS) -> None:
    """Ask processes to end, and kill those that have not after some seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + seconds
        for pid in processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while processes() and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_of_a_cloud(pid: int) -> bool:
    """Tell whether a process is a local cloud's, or was started by one."""
    with contextlib.suppress(OSError):
        while pid > 1:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"localcloud" in words or b"localcloud.daemon" in words or b"conmon" in words[0]:
                return True
            status = Path(f"/proc/{pid}/stat").read_text()
            pid = int(status.rpartition(")")[2].split()[1])
    return False
