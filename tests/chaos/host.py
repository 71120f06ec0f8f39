"""A host of the local cloud from behind: its processes, files and network, without SSH.

Hosts are containers on this machine's kernel, so a fault can be made, and its end be watched, when
nothing reaches the host any more.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from localcloud import engine
from tests.conftest import Cloud

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
INIT_KEPT_FOR_SECONDS = 1.0
READINESS_PORT = 50052
ANSWER_SECONDS = 1


@dataclass(frozen=True)
class Process:
    """One process of the host, by its id on this machine."""

    pid: int
    words: tuple[str, ...]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal it; one that has ended meanwhile is no error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


class Host:
    """A host of a deployment: the only one, or the one with an instance's id."""

    def __init__(self, deployment: str, cloud: Cloud, instance: str = "") -> None:
        session = boto3.Session("test", "test", region_name="us-east-1")
        self.ec2: EC2Client = session.client("ec2", endpoint_url=cloud.endpoint)
        self.instance = instance or self._only(deployment)
        self._init = (0, 0.0)

    def _only(self, deployment: str) -> str:
        found = self.ec2.describe_instances(
            Filters=[
                {"Name": "tag:Deployment", "Values": [deployment]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )
        [reservation] = found["Reservations"]
        return reservation["Instances"][0]["InstanceId"]

    @property
    def init(self) -> int:
        """The process id of its systemd, 0 when it does not run."""
        pid, asked = self._init
        if not pid or not Path(f"/proc/{pid}").exists() or asked < time.monotonic():
            pid = engine.inspect(self.instance).pid
            self._init = (pid, time.monotonic() + INIT_KEPT_FOR_SECONDS)
        return pid

    def path(self, path: str) -> Path:
        """Return where a file of the host is on this machine."""
        return Path(f"/proc/{self.init}/root{path}")

    def enter(self, *command: str, only: tuple[str, ...] = NAMESPACES) -> list[str]:
        """Return the command that runs a command in the host's namespaces."""
        return ["nsenter", "--target", str(self.init), *only, "--", *command]

    def shell(self, script: str) -> str:
        """Run a shell script on the host as root and return what it printed."""
        result = subprocess.run(
            self.enter("sh", "-euc", script),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        assert result.returncode == 0, f"{script}: {result.stdout}{result.stderr}"
        return result.stdout

    def ask(self, verb: str) -> dict[str, Any]:
        """Return what a verb of grpc-switch answers; nothing while the host does not run."""
        if not self.init:
            return {}
        result = subprocess.run(
            self.enter("/usr/local/sbin/grpc-switch", verb),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        answer: dict[str, Any] = json.loads(result.stdout) if result.returncode == 0 else {}
        return answer

    def get(self, path: str) -> str:
        """Return what the server answers on its side port to its own host; "" when it does not."""
        if not self.init:
            return ""
        url = f"http://127.0.0.1:{READINESS_PORT}{path}"
        asked = ("curl", "--silent", "--fail", "--max-time", str(ANSWER_SECONDS), url)
        result = subprocess.run(self.enter(*asked), capture_output=True, text=True, check=False)
        return result.stdout if result.returncode == 0 else ""

    def record(self) -> dict[str, Any]:
        """Return what the map file says: the release in use, and until when it is provisional."""
        try:
            line = self.path("/etc/saudacao/active.nft").read_text().partition("\n")[0]
        except OSError:
            return {}
        record: dict[str, Any] = json.loads(line.removeprefix("# grpc-switch "))
        return record

    def processes(self, chosen: Callable[[tuple[str, ...]], bool]) -> Iterator[Process]:
        """Yield the host's processes with chosen command lines."""
        own = _pid_namespace(self.init)
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and (words := _words(entry)) and chosen(words):
                pid = int(entry.name)
                if own and _pid_namespace(pid) == own:
                    yield Process(pid, words)

    def servers(self, release: str) -> list[Process]:
        """Return the server of a release: none, or one."""
        python = f"/opt/saudacao/releases/{release}/venv/bin/python"
        return list(
            self.processes(lambda words: words[0] == python and words[-1] == "saudacao.server")
        )

    def is_checking(self, release: str) -> bool:
        """Tell whether a release is being called on its own, before anybody else may."""
        python = f"/opt/saudacao/releases/{release}/venv/bin/python"
        return any(self.processes(lambda words: words[0] == python and "saudacao.check" in words))

    def switch_programs(self) -> list[Process]:
        """Return the programs that change the host, in their own units."""
        program = "/usr/local/sbin/grpc-switch"
        found = self.processes(lambda words: "python3" in words[0] and program in words[1:3])
        return [program for program in found if _is_inside(program.pid)]

    def sessions(self) -> list[Process]:
        """Return sshd's processes for those who have logged in."""
        return list(self.processes(lambda words: words[0].startswith("sshd: ec2-user")))


def _words(entry: Path) -> tuple[str, ...]:
    try:
        text = (entry / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode(errors="replace") for word in text.rstrip(b"\0").split(b"\0") if word)


def _pid_namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _is_inside(pid: int) -> bool:
    try:
        return b"GRPC_SWITCH_INSIDE=1" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
