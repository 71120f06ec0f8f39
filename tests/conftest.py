"""Fixtures that several test packages share: the local cloud that a test session runs on."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ["tests.chaos.plugin", "tests.distribution", "tests.leftovers"]

ROOT = Path(__file__).parents[1]

# Ctrl-C reaches the command as in a terminal, though the runner's workers ignore it; and the
# command ends with the worker that started it.
AS_TYPED = ("setpriv", "--pdeathsig", "TERM", "env", "--default-signal=INT")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --fleet, without which the tests of a whole fleet are passed over."""
    parser.addoption("--fleet", action="store_true", help="deploy a fleet too, for four minutes")


@dataclass(frozen=True)
class Cloud:
    """One running local cloud: its name, the API's port and the first two octets of its range."""

    name: str
    port: int
    octets: str

    @property
    def endpoint(self) -> str:
        """The address of the AWS API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def operator(self) -> str:
        """This machine's own address on the cloud's internet side."""
        return f"{self.octets}.255.1"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which `python -m localcloud` means this cloud."""
        return {
            **os.environ,
            "LOCALCLOUD_NAME": self.name,
            "LOCALCLOUD_PORT": str(self.port),
            "LOCALCLOUD_NETWORK": f"{self.octets}.0.0/16",
        }

    def is_running(self) -> bool:
        """Tell whether the cloud's daemon lives."""
        status = [sys.executable, "-m", "localcloud", "status"]
        return (
            subprocess.run(
                status, cwd=ROOT, env=self.environment, capture_output=True, check=False
            ).returncode
            == 0
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m localcloud ARGUMENTS`; a failure raises with what it printed."""
        result = subprocess.run(
            [sys.executable, "-m", "localcloud", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"localcloud {' '.join(arguments)}: {result.stderr}")
        return result


def session_cloud() -> Cloud:
    """Name this test session's cloud; parallel workers have one each, beside molecule's 10.46.

    LOCALCLOUD_NAME, LOCALCLOUD_PORT and LOCALCLOUD_NETWORK choose another while developing.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    octets = os.environ.get("LOCALCLOUD_NETWORK", f"10.{47 + worker}.0.0/16")
    return Cloud(
        name=os.environ.get("LOCALCLOUD_NAME", f"test{worker}"),
        port=int(os.environ.get("LOCALCLOUD_PORT", 4568 + worker)),
        octets=".".join(octets.split(".")[:2]),
    )


@contextmanager
def reserved(cloud_name: str) -> Iterator[None]:
    """Keep other test runs on this machine from using the cloud; its holder's end frees it."""
    with (Path(tempfile.gettempdir()) / f"saudacao-{cloud_name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"Another test run uses the local cloud {cloud_name}: wait for its end.")
        yield


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Start the session's cloud from nothing and end it.

    One that a developer chose by LOCALCLOUD_NAME and that runs already is used and left running.
    """
    cloud = session_cloud()
    if "LOCALCLOUD_NAME" in os.environ and cloud.is_running():
        yield cloud
        return
    with reserved(cloud.name):
        try:
            cloud.command("down")
            cloud.command("up")
            yield cloud
        finally:
            cloud.command("down")
