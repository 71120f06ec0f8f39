"""An environment of its own for a test: an inventory folder like those in `inventory/`."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.host import Host
from tests.conftest import AS_TYPED, ROOT, Cloud

BIN = Path(sys.executable).parent
LOAD = ("saudacao-client", "--json", "--mixed", "--duration=600", "--concurrency=4", "--rate=20")
RECAP = re.compile(
    r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=\d+\s+failed=\d+", re.MULTILINE
)

# What calls the service during a person's deployment.
PROOF: list[str] = yaml.safe_load((ROOT / "roles/grpc_server/defaults/main.yml").read_text())[
    "grpc_server_proof_command"
]
# A proof that takes less time than a person's, and calls less often, so that the tests take less;
# and that bears what other tests do to the machine's pace meanwhile.
SHORT_PROOF = {
    "grpc_server_proof_command": [*PROOF, "--rate={{ 60 / ansible_play_batch | length }}"],
    "grpc_server_proof_seconds": 3,
    "grpc_server_proof_calls": 30,
    "grpc_server_proof_slowdown": 20,
    "grpc_server_proof_p99_ms": 5000,
}


@dataclass(frozen=True)
class Run:
    """How a playbook ended: its exit code, what it printed, and the recap's changed tasks."""

    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """Number of changed tasks by host."""
        return {host: int(changed) for host, changed in RECAP.findall(self.output)}


@dataclass(frozen=True)
class Environment:
    """One deployment on the session's cloud, described by the local inventory's own files."""

    name: str
    folder: Path
    cloud: Cloud

    @classmethod
    def create(cls, name: str, folder: Path, cloud: Cloud, **variables: object) -> "Environment":
        """Write the inventory: `inventory/local` with this cloud's addresses and `variables`."""
        environment = cls(name, folder, cloud)
        plugin = _load(ROOT / "inventory/local/cloudformation_stack.yml")
        group_vars = _load(ROOT / "inventory/local/group_vars/all.yml")
        plugin |= {"deployment": name, "endpoint_url": cloud.endpoint}
        group_vars |= {"ssh_ingress_cidr": f"{cloud.operator}/32", **SHORT_PROOF, **variables}
        _dump(environment.inventory / "cloudformation_stack.yml", plugin)
        _dump(environment.inventory / "group_vars/all.yml", group_vars)
        return environment

    @property
    def inventory(self) -> Path:
        """The inventory's folder."""
        return self.folder / "inventory" / self.name

    @property
    def state(self) -> Path:
        """The control node's state: what `.deploy/local` is for the local environment."""
        return self.folder / ".deploy" / self.name

    @property
    def process_environment(self) -> dict[str, str]:
        """Environment variables as in a shell with the virtual environment active."""
        return {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(BIN.parent),
            "ANSIBLE_INVENTORY": str(self.inventory),
            "ANSIBLE_NOCOLOR": "1",
            "SAUDACAO_CLIENT_CONFIG": str(self.state / "client.toml"),
        }

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command from the repository's root, its output in a pipe."""
        return subprocess.Popen(
            [*AS_TYPED, *command],
            cwd=ROOT,
            env=self.process_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path) -> Run:
        """Run a command to its end."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        return Run(process.returncode, output)

    def playbook(self, *arguments: str, expect: int = 0) -> Run:
        """Run ansible-playbook and check its exit code; a difference shows the output's end."""
        run = self.run("ansible-playbook", *arguments)
        assert run.code == expect, f"exit {run.code}, expected {expect}:\n{run.output[-6000:]}"
        return run

    @cached_property
    def host(self) -> Host:
        """The deployment's host, once there is one."""
        return Host(self.name, self.cloud)

    def shell(self, command: str) -> Run:
        """Run a shell command as root on the host, past SSH: in a tenth of a login's time."""
        result = subprocess.run(
            self.host.enter("sh", "-c", command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        return Run(result.returncode, result.stdout)

    def on_host(self, command: str) -> str:
        """Run a shell command on the host that must succeed, and return what it printed."""
        run = self.shell(command)
        assert run.code == 0, run.output
        return run.output

    def status(self) -> dict[str, Any]:
        """What `grpc-switch status` answers on the host."""
        answer: dict[str, Any] = json.loads(self.on_host("/usr/local/sbin/grpc-switch status"))
        return answer

    def look(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What `grpc-switch status` answers, and the journal's runs, the oldest first."""
        program = "/usr/local/sbin/grpc-switch"
        status, journal = self.on_host(f"{program} status && {program} journal").splitlines()
        return json.loads(status), list(json.loads(journal)["runs"])

    @contextmanager
    def calling(self) -> Iterator[dict[str, Any]]:
        """Call all the time, over lasting and fresh connections; the report is there at the end."""
        report: dict[str, Any] = {}
        client = self.start(*LOAD)
        try:
            yield report
        finally:
            client.send_signal(signal.SIGINT)
            output, _ = client.communicate(timeout=30)
            report.update(json.loads(output.splitlines()[0]))


def _load(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


def _dump(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, allow_unicode=True))
