"""The doors to the host: commands, files that are written whole, and the lock."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_SECONDS = 60.0


class RefusedError(Exception):
    """The request cannot be done; the message says what happened, why, and what to do."""


def run(*command: str | Path, check: bool = True, timeout: float = 120, **options: Any) -> str:
    """Run a command and return what it printed.

    A non-zero exit with `check`, or more than `timeout` seconds, is a RefusedError that repeats
    the command's own words.
    """
    words = [str(word) for word in command]
    try:
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, check=False, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RefusedError(str(error)) from error
    if check and result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-600:]
        raise RefusedError(said or f"{' '.join(words)} ended with {result.returncode}")
    return str(result.stdout)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries, such as a rename in it, survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(
    path: Path, text: str, mode: int = 0o644, validate: Callable[[Path], object] | None = None
) -> None:
    """Replace a file in one step; readers see the old text or the new, also after a power cut.

    `validate` gets the path of the new text before it takes the old one's place, and may raise.
    RefusedError, for instance on a full disk, leaves the old text.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if validate is not None:
            validate(fresh)
        fresh.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RefusedError(f"{path} could not be written: {error}") from error
    finally:
        with suppress(OSError):
            fresh.unlink()


@contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the host's lock; RefusedError when another run still holds it after `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        deadline = time.monotonic() + seconds
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"another grpc-switch has held {path} for {seconds:g} s: try later"
                )
            time.sleep(0.05)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
