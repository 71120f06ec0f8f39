"""Running the system's programs, and taking turns with other processes."""

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from localcloud.errors import LocalCloudError


class CommandError(LocalCloudError):
    """A program failed; the message carries its own words."""


def run(*command: str, stdin: str | None = None, timeout: float = 60) -> str:
    """Run a program and return what it printed.

    Args:
        command: The program and its arguments.
        stdin: Text given on standard input.
        timeout: Seconds after which the program is killed.

    Raises:
        CommandError: The program failed, is missing or took too long.

    """
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout, check=True
        )
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} did not run: it is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(command)}: no end after {timeout:.0f} s.") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip()[-800:]
        raise CommandError(f"{' '.join(command)}: {said}") from error
    return done.stdout


def succeeds(*command: str) -> bool:
    """Say whether a program ends with exit code 0."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel gives back when its holder dies; the file names the holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
