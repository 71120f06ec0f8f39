"""Fixtures that several test packages share: the local cloud that a test session runs on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
    """Name this test session's cloud; parallel workers have one each.

    LOCALCLOUD_NAME, LOCALCLOUD_PORT and LOCALCLOUD_NETWORK choose another while developing.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    octets = os.environ.get("LOCALCLOUD_NETWORK", f"10.{43 + worker}.0.0/16")
    return Cloud(
        name=os.environ.get("LOCALCLOUD_NAME", f"test{worker}"),
        port=int(os.environ.get("LOCALCLOUD_PORT", 4568 + worker)),
        octets=".".join(octets.split(".")[:2]),
    )


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Start the session's cloud; one that already runs is used and left running."""
    cloud = session_cloud()
    status = subprocess.run(
        [sys.executable, "-m", "localcloud", "status"],
        cwd=ROOT,
        env=cloud.environment,
        capture_output=True,
        check=False,
    )
    if status.returncode == 0:
        yield cloud
        return
    try:
        cloud.command("up")
        yield cloud
    finally:
        cloud.command("down")
