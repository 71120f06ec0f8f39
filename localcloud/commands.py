"""Running the system's programs."""

import subprocess

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
