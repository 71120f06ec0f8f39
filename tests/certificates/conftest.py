"""Runs the role in temporary folders."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.release.playing import play


@dataclass(frozen=True)
class Certificates:
    """A folder that the role looks after."""

    folder: Path

    def run(self, *options: str, expect: int = 0, **variables: object) -> str:
        """Run the role, check the exit code, and return what ansible-playbook printed."""
        given = {f"certificates_{name}": value for name, value in variables.items()}
        given |= {
            "certificates_directory": str(self.folder),
            "certificates_server_name": "trial.internal",
            "certificates_owner": "trial",
        }
        return play("certificates", given, *options, folder=self.folder.parent, expect=expect)

    def hand_out(self) -> str:
        """Run what follows when every host has the present certificates."""
        playbook = self.folder.parent / "hand_out.yml"
        role = {"name": "certificates", "tasks_from": "hand_out"}
        tasks = [{"ansible.builtin.import_role": role}]
        playbook.write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])
        )
        given = {"certificates_directory": str(self.folder), "certificates_owner": "trial"}
        return play(playbook, given, folder=self.folder.parent)

    def path(self, name: str) -> Path:
        """Return the path of one of the folder's files."""
        return self.folder / name

    def files(self) -> dict[str, bytes]:
        """Return the content of every file by its name."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def changed_since(self, before: dict[str, bytes]) -> set[str]:
        """Return the names of the files that differ from `before`."""
        return {name for name, content in self.files().items() if before.get(name) != content}


@dataclass(frozen=True)
class Issued:
    """Certificates as a first run makes them, and everything it printed with -vvv."""

    certificates: Certificates
    output: str


@pytest.fixture(scope="package")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    certificates = Certificates(tmp_path_factory.mktemp("issued") / "certificates")
    return Issued(certificates, certificates.run("-vvv", "--diff"))


@pytest.fixture
def certificates(issued: Issued, tmp_path: Path) -> Certificates:
    """A copy of the issued certificates that a test may break."""
    folder = tmp_path / "certificates"
    shutil.copytree(issued.certificates.folder, folder)
    return Certificates(folder)


@pytest.fixture(scope="package")
def rotated(issued: Issued, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """The issued certificates with a CA rotated on demand, which no host has seen yet."""
    folder = tmp_path_factory.mktemp("rotated") / "certificates"
    shutil.copytree(issued.certificates.folder, folder)
    return Issued(Certificates(folder), Certificates(folder).run("-vvv", "--diff", rotate="ca"))


@pytest.fixture
def overlap(rotated: Issued, tmp_path: Path) -> Certificates:
    """A copy of the rotated certificates that a test may go on with."""
    folder = tmp_path / "overlap"
    shutil.copytree(rotated.certificates.folder, folder)
    return Certificates(folder)
