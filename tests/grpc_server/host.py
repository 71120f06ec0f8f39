"""A host of the local cloud as the tests use it: its shell, its reboots, its grpc-switch."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Host:
    """One EC2 instance, reached at its Elastic IP; `folder` has ssh_key and known_hosts."""

    instance: str
    address: str
    folder: Path
    reboot_instance: Callable[[], object]

    @property
    def ssh_options(self) -> list[str]:
        """Options of ssh that check the host's key, as a deployment does."""
        options = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "HostKeyAlias": self.instance,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 5,
            "ControlMaster": "auto",
            "ControlPath": self.folder / "%C",
            "ControlPersist": 60,
        }
        return [part for key, value in options.items() for part in ("-o", f"{key}={value}")]

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root; a failure raises with what it printed."""
        key = ["-i", str(self.folder / "ssh_key")]
        remote = [f"ec2-user@{self.address}", "sudo", "sh", "-s"]
        result = subprocess.run(
            ["ssh", *key, *self.ssh_options, *remote],
            input=command,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: {result.returncode} {result.stdout}{result.stderr}")
        return result

    def ask(self, *arguments: str | float) -> dict[str, Any]:
        """Run a verb of grpc-switch that must succeed, and return its answer."""
        answer: dict[str, Any] = json.loads(self.run(_program(*arguments)).stdout)
        return answer

    def refusal(self, *arguments: str | float) -> str:
        """Run a verb of grpc-switch that must be refused, and return what it says."""
        result = self.run(_program(*arguments), check=False)
        assert result.returncode == 1, result
        return result.stderr

    def install(self, archive: Path) -> str:
        """Copy an archive to the host and install it; return the release's id."""
        self.copy(archive)
        return str(self.ask("install", f"/opt/saudacao/incoming/{archive.name}")["release"])

    def copy(self, archive: Path) -> None:
        """Copy an archive to where installations take it from."""
        key = ["-i", str(self.folder / "ssh_key")]
        target = f"ec2-user@{self.address}:/tmp/{archive.name}"
        subprocess.run(["scp", "-q", *key, *self.ssh_options, str(archive), target], check=True)
        self.run(f"mv /tmp/{archive.name} /opt/saudacao/incoming/")

    def state(self, release: str) -> str:
        """Return the state of a release's unit."""
        unit = f"saudacao@{release}.service"
        return self.run(f"systemctl show {unit} --property=ActiveState --value").stdout.strip()

    def has_ended(self, release: str) -> bool:
        """Tell whether a release no longer runs."""
        return self.state(release) == "inactive"

    def reboot(self) -> float:
        """Reboot through the cloud, wait until the host has booted again, and return how long."""
        before = self._boot()
        self.reboot_instance()
        seconds = wait_for(lambda: self._boot() not in {before, ""}, "the host has booted")
        self.run("systemctl is-system-running --wait", check=False)
        return seconds

    def _boot(self) -> str:
        return self.run("cut -d ' ' -f 22 /proc/1/stat", check=False).stdout


def wait_for(holds: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Wait until something holds, and return for how long; AssertionError names what did not."""
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"after {seconds:g} s it is still not so: {what}")
        time.sleep(0.2)
    return time.monotonic() - begin


def _program(*arguments: str | float) -> str:
    return " ".join(["grpc-switch", *map(str, arguments)])
