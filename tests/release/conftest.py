"""A source tree, an index and a deployment's folder in which the role builds releases."""

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.release.distributions import lock_lines, make_index, make_project
from tests.release.playing import play


@dataclass(frozen=True)
class Machine:
    """A control node: a copy of the source and folders of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Machine":
        """Write the project, the index and the two locks below `folder`."""
        machine = cls(folder)
        make_project(machine.project)
        *wheels, pip = make_index(machine.index)
        lock = "".join(lock_lines(*wheels).values())
        (folder / "lock.txt").write_text(
            f"# a comment\n{lock}windows==1.0 ; os_name == 'nt' \\\n    --hash=sha256:{'0' * 64}\n"
        )
        (folder / "pip.txt").write_text("".join(lock_lines(pip).values()))
        return machine

    @property
    def index(self) -> Path:
        """The folder in which pip finds wheels."""
        return self.folder / "index"

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "source" / "trial"

    @property
    def releases(self) -> Path:
        """The folder of the archives."""
        return self.folder / "releases"

    def run(
        self,
        *options: str,
        expect: int = 0,
        environment: Mapping[str, str] | None = None,
        **variables: object,
    ) -> str:
        """Run the role with variables (without their prefix) and return what it printed.

        pip finds nothing but this machine's index.
        """
        given = {
            "projects": [str(self.project)],
            "sources": [],
            "requirements": [str(self.folder / "lock.txt")],
            "installer_requirements": str(self.folder / "pip.txt"),
            "architecture": "x86_64",
            "directory": str(self.releases),
            "cache": str(self.folder / "cache"),
            **variables,
        }
        named = {f"release_{name}": value for name, value in given.items()}
        only_this_index = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
        }
        return play(
            "release",
            named,
            *options,
            folder=self.folder,
            expect=expect,
            environment=only_this_index | dict(environment or {}),
        )

    def archives(self) -> list[Path]:
        """Return the archives, the newest first."""
        found = self.releases.glob("*.tar")
        return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def content(archive: Path) -> dict[str, bytes]:
    """Return what is in an archive, by name and in its order."""
    with tarfile.open(archive) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar}
        return {name: file.read() for name, file in files.items() if file}


def description(archive: Path) -> dict[str, Any]:
    """Return an archive's release.json."""
    values: dict[str, Any] = json.loads(content(archive)["release.json"])
    return values


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine that has built its first release; tests leave it as it is."""
    machine = Machine.make(tmp_path_factory.mktemp("built"))
    machine.run()
    return machine


@pytest.fixture
def machine(built: Machine, tmp_path: Path) -> Machine:
    """A copy of that machine to change."""
    shutil.copytree(built.folder, tmp_path, dirs_exist_ok=True)
    return Machine(tmp_path)


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """A machine that has built nothing."""
    return Machine.make(tmp_path)
