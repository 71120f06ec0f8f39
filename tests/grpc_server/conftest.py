"""A host of the local cloud on which the role has deployed the real service."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cloud
from tests.grpc_server import archives
from tests.grpc_server.host import Host
from tests.grpc_server.launch import launched

SERVER_NAME = "saudacao.internal"
START_TIMEOUT = 5
CLIENT = """\
endpoint = "{address}:50051"
server_name = "{server_name}"
ca_file = "certificates/ca.crt"
certificate_file = "certificates/client.crt"
key_file = "certificates/client.key"
"""


@dataclass(frozen=True)
class Deployment:
    """The tests' deployment: its host, and a folder with what a deployment keeps."""

    host: Host
    folder: Path

    @property
    def archive(self) -> Path:
        """The archive of the real release."""
        return next((self.folder / "releases").glob(f"*-{'[0-9a-f]' * 12}.tar"))

    @property
    def release(self) -> str:
        """The id of the real release."""
        return self.archive.stem

    @property
    def client(self) -> Path:
        """The client's configuration."""
        return self.folder / "client.toml"

    def play(
        self, *options: str, expect: int = 0, playbook: str = "deploy.yml", **variables: Any
    ) -> str:
        """Deploy with ansible-playbook, which must end with `expect`; return what it printed."""
        environment = {**os.environ, "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml"}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), *options]
        command += ["--inventory", str(self.folder / "hosts.yml")]
        command += [
            "--extra-vars",
            json.dumps(variables),
            str(Path(__file__).parent / playbook),
        ]
        result = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout

    def install(self, archive: Path) -> str:
        """Have a release installed, should old ones have been removed since; return its id."""
        here = archive.stem in self.host.ask("status")["releases"]
        return archive.stem if here else self.host.install(archive)

    def use(self, release: str) -> None:
        """Have a release in use, confirmed, and the only one that runs."""
        status = self.host.ask("status")
        running = [name for name, one in status["releases"].items() if one["state"] != "inactive"]
        if status["settled"] and running == [status["release"]] == [release]:
            return
        self.host.ask("switch", release)
        self.host.ask("confirm", release)
        stop = "systemctl list-units --plain --no-legend 'saudacao@*' | cut -d ' ' -f 1"
        self.host.run(f"for unit in $({stop}); do case $unit in saudacao@{release}.*) ;;"
                      " *) systemctl stop $unit;; esac; done")  # fmt: skip


@pytest.fixture(scope="session")
def fresh(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A host that nothing was deployed to yet."""
    folder = tmp_path_factory.mktemp("deploy")
    with launched(cloud, folder) as host:
        (folder / "hosts.yml").write_text(json.dumps(_inventory(host)))
        client = CLIENT.format(address=host.address, server_name=SERVER_NAME)
        (folder / "client.toml").write_text(client)
        yield Deployment(host, folder)


@dataclass(frozen=True)
class Checked:
    """What `--check --diff` said of the fresh host, and what it left there."""

    output: str
    traces: str


@pytest.fixture(scope="session")
def checked(fresh: Deployment) -> Checked:
    """Check the fresh host, before anything deploys to it."""
    output = fresh.play("--check", "--diff")
    traces = fresh.host.run("getent passwd saudacao; ls -d /etc/saudacao", check=False)
    return Checked(output, traces.stdout)


@pytest.fixture(scope="session")
def deployed(fresh: Deployment, checked: Checked) -> Deployment:
    """The host with the real release in use, deployed by the role."""
    assert checked
    fresh.play()
    return fresh


@pytest.fixture(scope="session")
def second_archive(deployed: Deployment) -> Path:
    """A second release: the same service with other settings."""
    settings = {"SERVER_MAX_CONNECTION_AGE": "2", "SERVER_MAX_CONNECTION_AGE_GRACE": "5"}
    return archives.variant(deployed.archive, "0.2.0-second", settings)


@pytest.fixture
def second(deployed: Deployment, second_archive: Path) -> str:
    """The second release's id; it is installed."""
    return deployed.install(second_archive)


@pytest.fixture
def deployment(deployed: Deployment, second: str) -> Deployment:
    """The deployed host at rest: the real release in use and confirmed, the second installed."""
    assert second
    deployed.use(deployed.release)
    return deployed


def _inventory(host: Host) -> dict[str, Any]:
    settings = {
        "deploy_directory": str(host.folder),
        "deployment": "saudacao",
        "stack": {"ServerName": SERVER_NAME, "Architecture": "x86_64"},
        "release_settings": {"SERVER_MAX_CONNECTION_AGE": 2, "SERVER_MAX_CONNECTION_AGE_GRACE": 6},
        "grpc_server_start_timeout": START_TIMEOUT,
        # Less time than a person's proof, so that the tests take less.
        "grpc_server_proof_seconds": 2,
        "grpc_server_proof_calls": 20,
    }
    login = {
        "ansible_host": host.address,
        "ansible_user": "ec2-user",
        "ansible_ssh_private_key_file": str(host.folder / "ssh_key"),
        "ansible_ssh_common_args": " ".join(host.ssh_options),
    }
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    servers = {"hosts": {host.instance: login}}
    groups = {
        "vars": settings,
        "hosts": {"localhost": local},
        "children": {"grpc_servers": servers},
    }
    return {"all": groups}
