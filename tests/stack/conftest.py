"""An environment of its own for each test module: inventory, deployment name, `.deploy` folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Cloud

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Environment:
    """One deployment in the session's local cloud."""

    cloud: Cloud
    folder: Path
    deployment: str

    @property
    def inventory(self) -> Path:
        """The inventory folder."""
        return self.folder / "inventory" / "demo"

    @property
    def files(self) -> Path:
        """Where the control node keeps this environment's keys."""
        return self.folder / ".deploy" / "demo"

    def client(self, service: Any) -> Any:
        """Return a boto3 client of the local cloud."""
        session = boto3.Session("test", "test", region_name="us-east-1")
        return session.client(service, endpoint_url=self.cloud.endpoint)

    def run(
        self, program: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs with this inventory."""
        with self.start(program, *arguments, **environment) as process:
            said, warned = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, said, warned)

    def start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start one of Ansible's programs in a process group of its own."""
        path = Path(sys.executable).parent / program
        return subprocess.Popen(
            [str(path), "-i", str(self.inventory), *arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "10000", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the repository."""
        return self.run("ansible-playbook", playbook, *arguments)

    def act(self, action: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run one action on localhost."""
        command = ["localhost", "-m", action, "-a", json.dumps(options), *arguments]
        return self.run("ansible", *command)

    def stacks(self) -> dict[str, str]:
        """Return the name and status of every stack of this deployment that exists."""
        answer = self.client("cloudformation").describe_stacks()["Stacks"]
        return {
            item["StackName"]: item["StackStatus"]
            for item in answer
            if item["StackName"] == self.deployment
        }

    def hosts(self) -> list[str]:
        """Return the instances of this deployment that are not terminated."""
        states = ["pending", "running", "stopping", "stopped"]
        answer = self.client("ec2").describe_instances(
            Filters=[
                {"Name": "tag:Deployment", "Values": [self.deployment]},
                {"Name": "instance-state-name", "Values": states},
            ]
        )
        return [item["InstanceId"] for r in answer["Reservations"] for item in r["Instances"]]


@pytest.fixture(scope="module")
def environment(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Environment]:
    """Write an inventory like inventory/local for this module's own deployment, and remove it."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    made = Environment(cloud, tmp_path_factory.mktemp(name), f"stack-{name}")
    shutil.copytree(ROOT / "inventory" / "local", made.inventory)
    config = made.inventory / "cloudformation_stack.yml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings |= {"deployment": made.deployment, "endpoint_url": cloud.endpoint}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    variables = made.inventory / "group_vars" / "all.yml"
    with variables.open("a", encoding="utf-8") as file:
        file.write(f"\nssh_ingress_cidr: {cloud.operator}/32\n")
    try:
        yield made
    finally:
        for stack in made.stacks():
            made.client("cloudformation").delete_stack(StackName=stack)
