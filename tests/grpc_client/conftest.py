"""A deployment on this machine: certificates, a real server process, and verify.yml against it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.release.playing import play


@dataclass(frozen=True)
class Deployment:
    """A folder as a deployment keeps it; nothing listens at the endpoint before `serving`."""

    folder: Path

    @property
    def certificates(self) -> Path:
        """The folder of the certificates."""
        return self.folder / "certificates"

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Run the real server with this deployment's certificates; yields its port."""
        settings = {"SERVER_PORT": "0", "SERVER_RELEASE": "r1"}
        settings["SERVER_TLS_DIRECTORY"] = str(self.certificates)
        command = [sys.executable, "-m", "saudacao.server"]
        with subprocess.Popen(
            command, env=os.environ | settings, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            try:
                yield json.loads(process.stderr.readline())["port"]
            finally:
                process.kill()

    @contextmanager
    def serving_wrongly(self) -> Iterator[int]:
        """Run a server on which no promise holds; yields its port."""
        program = Path(__file__).with_name("wrong_server.py")
        command = [sys.executable, str(program), str(self.certificates)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield int(process.stdout.readline())
            finally:
                process.kill()

    def verify(self, port: int, *options: str, expect: int = 2, **variables: object) -> str:
        """Run verify.yml and return what it printed.

        It fails in any case: there is no host whose journal and release could be looked at.
        """
        given = {
            "deployment": "trial",
            "deploy_directory": str(self.folder),
            "stack": {"Endpoint": f"127.0.0.1:{port}", "ServerName": "trial.internal"},
            **variables,
        }
        playbook = ROOT / "playbooks/verify.yml"
        return play(playbook, given, *options, folder=self.folder, expect=expect)

    def lines(self) -> dict[str, dict[str, Any]]:
        """Return the lines of the saved verification, by name."""
        report = json.loads((self.folder / "verification.json").read_text())
        return {line["name"]: line for line in report["lines"]}

    def passed(self) -> set[str]:
        """Return the names of the lines that passed."""
        return {name for name, line in self.lines().items() if line["passed"]}


@pytest.fixture(scope="package")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("issued")
    names = {"server_name": "trial.internal", "owner": "trial", "directory": str(folder / "pairs")}
    given = {f"certificates_{name}": value for name, value in names.items()}
    play("certificates", given, folder=folder)
    return folder / "pairs"


@pytest.fixture
def deployment(issued: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(issued, tmp_path / "certificates")
    return Deployment(tmp_path)
