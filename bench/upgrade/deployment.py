"""The bench's deployment: a host of the local cloud that `site.yml` has deployed to."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.conftest import ROOT, Cloud, session_cloud
from tests.e2e.environment import Environment
from tests.grpc_server import archives

NAME = "bench"
PLAYBOOK_SECONDS = 900
HOST_SECONDS = 180
SETTINGS = {
    "SERVER_SERVICE": "bench",
    "SERVER_MAX_CONNECTION_AGE": "10",
    "SERVER_MAX_CONNECTION_AGE_GRACE": "5",
}
SERVICE = Path(__file__).parent / "service"


@dataclass(frozen=True)
class Host:
    """The host's shell, over one SSH connection that is kept."""

    address: str
    state: Path

    def run(self, script: str) -> str:
        """Run a shell script as root and return what it printed; it must succeed."""
        done = subprocess.run(
            [*self._ssh("ssh"), f"ec2-user@{self.address}", "sudo", "sh", "-s"],
            input=script, capture_output=True, text=True, timeout=HOST_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"the host failed on {script!r}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.run(f"printf %s {shlex.quote(text)} > {path}")

    def install(self, archive: Path) -> None:
        """Copy a release's archive to the host, and install it."""
        copy = [*self._ssh("scp"), "-q", str(archive), f"ec2-user@{self.address}:/tmp/"]
        subprocess.run(copy, check=True, timeout=HOST_SECONDS)
        incoming = f"/opt/saudacao/incoming/{archive.name}"
        self.run(f"mv /tmp/{archive.name} {incoming} && grpc-switch install {incoming}")

    def _ssh(self, program: str) -> list[str]:
        known = self.state / "known_hosts"
        options = {
            "UserKnownHostsFile": known,
            "HostKeyAlias": known.read_text().split()[0],
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ControlMaster": "auto",
            "ControlPath": self.state / "bench-%C",
            "ControlPersist": 600,
        }
        words = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        return [program, "-i", str(self.state / "ssh_key"), *words]


@dataclass(frozen=True)
class Deployment:
    """The host, its two releases, and what a client needs to call it."""

    host: Host
    releases: tuple[str, str]
    client: dict[str, str]


def bench_cloud() -> Cloud:
    """Name the bench's own local cloud, or the one that LOCALCLOUD_NAME and the like choose."""
    defaults = {"NAME": NAME, "PORT": "4590", "NETWORK": "10.90.0.0/16"}
    for key, value in defaults.items():
        os.environ.setdefault(f"LOCALCLOUD_{key}", value)
    return session_cloud()


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Start a local cloud for the bench and end it; one that runs already is used and stays."""
    cloud = bench_cloud()
    if cloud.is_running():
        yield cloud
        return
    try:
        cloud.command("up")
        yield cloud
    finally:
        cloud.command("down")


@contextmanager
def deployed(cloud: Cloud, folder: Path, *peer_ports: int) -> Iterator[Deployment]:
    """Deploy the bench's service, open the peers' ports, and remove it all."""
    projects = [str(ROOT / "app"), str(SERVICE)]
    environment = Environment.create(
        NAME, folder, cloud, release_projects=projects, release_settings=SETTINGS
    )
    try:
        _play(environment, "site.yml")
        _open(cloud, peer_ports)
        yield _second(environment)
    finally:
        _play(environment, "teardown.yml")


def _second(environment: Environment) -> Deployment:
    """Install a second release beside the first: the same wheels, another setting."""
    client = {
        key: value if key in {"endpoint", "server_name"} else str(environment.state / value)
        for key, value in _toml(environment.state / "client.toml").items()
    }
    host = Host(client["endpoint"].partition(":")[0], environment.state)
    first = json.loads(host.run("grpc-switch status"))["release"]
    archive = environment.state / "releases" / f"{first}.tar"
    settings = SETTINGS | {"SERVER_STOP_GRACE": "4"}
    second = archives.variant(archive, f"{first}-second", settings)
    host.install(second)
    return Deployment(host, (first, second.stem), client)


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(path.read_text())


def _open(cloud: Cloud, ports: tuple[int, ...]) -> None:
    session = boto3.Session("local", "local", region_name="us-east-1")
    stacks = session.client("cloudformation", endpoint_url=cloud.endpoint)
    (stack,) = stacks.describe_stacks(StackName=NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    ec2 = session.client("ec2", endpoint_url=cloud.endpoint)
    for port in ports:
        ec2.authorize_security_group_ingress(
            GroupId=outputs["SecurityGroupId"],
            IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=f"{cloud.operator}/32",
        )  # fmt: skip


def _play(environment: Environment, playbook: str) -> None:
    """Run a playbook, which ends with us; it must succeed."""
    extra = ["-e", f"confirm={NAME}"] if playbook == "teardown.yml" else []
    process = environment.start("ansible-playbook", playbook, *extra)
    try:
        output, _ = process.communicate(timeout=PLAYBOOK_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
        raise
    if process.returncode != 0:
        raise RuntimeError(f"{playbook} failed:\n{output[-4000:]}")
