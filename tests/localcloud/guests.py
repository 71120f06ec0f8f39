"""Hosts of the cloud under test, reached as an operator would reach them."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

PATIENCE = 120.0


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; fail by naming it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def leaves_by(address: str, namespace: str = "") -> str:
    """Return the device that packets to an address leave by, "" when there is no route."""
    inside = ("ip", "netns", "exec", namespace) if namespace else ()
    found = subprocess.run(
        [*inside, "ip", "-j", "route", "get", address], capture_output=True, text=True, check=False
    )
    return str(json.loads(found.stdout)[0]["dev"]) if found.returncode == 0 else ""


def dial(address: str, port: int, source: str = "", seconds: float = 1.0) -> str:
    """Connect from this machine; return "open", "refused" or "timeout".

    Nothing is sent unless the address is routed to a local cloud.
    """
    device = leaves_by(address)
    assert device.startswith("lc-"), f"{address} is routed to {device!r}, not to a local cloud"
    with socket.socket() as caller:
        caller.settimeout(seconds)
        caller.bind((source, 0))
        try:
            caller.connect((address, port))
        except TimeoutError:
            return "timeout"
        except ConnectionRefusedError:
            return "refused"
    return "open"


def describe(ec2: "EC2Client", instance_id: str) -> "InstanceTypeDef":
    found = ec2.describe_instances(InstanceIds=[instance_id])
    return found["Reservations"][0]["Instances"][0]


def state(ec2: "EC2Client", instance_id: str) -> str:
    return describe(ec2, instance_id)["State"]["Name"]


def until_state(ec2: "EC2Client", instance_id: str, wanted: str) -> None:
    until(lambda: state(ec2, instance_id) == wanted, f"{instance_id} is {wanted}")


def printed_host_keys(console: str) -> list[str]:
    block = re.search(r"BEGIN SSH HOST KEY KEYS-+\s(.*?)-+END SSH", console, re.DOTALL)
    return block[1].split("\n") if block else []


@dataclass(frozen=True)
class Guest:
    """A host, its addresses, and what SSH needs to reach it."""

    ec2: "EC2Client"
    instance_id: str
    public: str
    private: str
    key: Path
    known_hosts: Path

    def trust(self) -> None:
        """Take the host's keys from its console, which only the API shows."""
        keys: list[str] = []

        def printed() -> bool:
            console = self.ec2.get_console_output(InstanceId=self.instance_id)
            keys[:] = printed_host_keys(console.get("Output", ""))
            return bool(keys)

        until(printed, f"{self.instance_id} prints its host keys")
        lines = (f"{self.instance_id} {' '.join(key.split()[:2])}\n" for key in keys if key.strip())
        self.known_hosts.write_text("".join(lines))

    def ssh(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on the host as ec2-user."""
        assert leaves_by(self.public).startswith("lc-")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "HostKeyAlias": self.instance_id,
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        flags = [flag for key, value in options.items() for flag in ("-o", f"{key}={value}")]
        return subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.key), *flags, f"ec2-user@{self.public}", command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, command: str) -> str:
        """Return what a command on the host printed; it must succeed."""
        done = self.ssh(command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def ready(self) -> "Guest":
        """Wait until the host answers over SSH and has finished its boot."""
        self.trust()
        until(lambda: self.ssh("true").returncode == 0, f"{self.instance_id} answers over SSH")
        self.run("cloud-init status --wait")
        return self

    def serve(self, port: int) -> None:
        """Start a web server on the host that stays until the host ends."""
        self.run(f"sudo systemd-run --quiet --unit=web{port} python3 -m http.server {port}")
        until(lambda: f":{port} " in self.run("ss -ltn"), f"{self.instance_id} listens on {port}")

    def dial(self, address: str, port: int) -> str:
        """Connect from the host; return "open", "refused" or "timeout"."""
        program = (
            "import socket, sys\n"
            f"try: socket.create_connection(('{address}', {port}), 1)\n"
            "except TimeoutError: print('timeout')\n"
            "except ConnectionRefusedError: print('refused')\n"
            "else: print('open')\n"
        )
        return self.run(f"python3 - <<'END'\n{program}END")
