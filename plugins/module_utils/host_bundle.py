"""What a host of a fleet needs to configure itself: one archive, the same for the same content."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugins.module_utils.aws_cloud import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
# Ansible and what it needs to run; their versions and hashes are the lock's.
_PACKAGES = (
    *("ansible-core", "cffi", "cryptography", "jinja2", "markupsafe", "packaging", "pycparser"),
    *("pyyaml", "resolvelib"),
)
_PLUGINS = (
    *("action/companion.py", "action/grpc_switch.py", "action/local_file.py"),
    *("action/run_journal.py", "modules/grpc_switch.py"),
    *("callback/configure_steps.py", "filter/ssh_command.py", "modules/local_file.py"),
    *("module_utils/argument_spec.py", "module_utils/companion_runner.py"),
    *("module_utils/ssh_command.py", "modules/companion.py", "modules/host_files.py"),
    "modules/run_journal.py",
    # Named by a task that waits for a load balancer, which no host does for itself.
    "modules/fleet_hosts.py",
)
# Scripts name the Python of this machine, and so does the list of what was installed.
_LEFT_OUT = {"__pycache__", "ansible_test", "bin", "RECORD", "uv_cache.json"}
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_KEPT = 5


@dataclass(frozen=True)
class Bundle:
    """A bundle's source.

    Attributes:
        files: Folder with the program and the playbook that a host runs.
        roles: Folders of the roles that the playbook applies.
        requirements: Lock with hashes.
        architecture: The hosts', by EC2's name.
        python: The hosts' Python, such as 3.11.
        environment: Name of the inventory, which the host's journal tells.
        variables: The roles' arguments; nothing secret.

    """

    files: Path
    roles: tuple[Path, ...]
    requirements: Path
    architecture: str
    python: str
    environment: str
    variables: Mapping[str, Any]

    def contents(self) -> dict[str, tuple[bytes, int]]:
        """Return path, content and mode of each file, without those of the packages."""
        found = {
            **_tree(self.files, ""),
            **{
                name: content
                for role in self.roles
                for name, content in _tree(role, f"roles/{role.name}/").items()
            },
            **{
                f"plugins/{name}": ((ROOT / "plugins" / name).read_bytes(), 0o644)
                for name in _PLUGINS
            },
            f"inventory/{self.environment}/hosts.yml": (_INVENTORY, 0o644),
        }
        variables = json.dumps(dict(self.variables), indent=2, sort_keys=True)
        found["variables.json"] = (variables.encode() + b"\n", 0o644)
        return found

    @property
    def key(self) -> str:
        """Name the content before it is built: the same key means the same bundle."""
        digest = hashlib.sha256(f"{self.architecture} {self.python}\n{self.locked()}".encode())
        for path, (content, mode) in sorted(self.contents().items()):
            digest.update(f"{path} {mode} {hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()[:16]

    def build(self, directory: Path) -> Path:
        """Write the bundle unless it is there; return its path. Only the newest few stay."""
        path = directory / f"{self.key}.tar.gz"
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=directory) as folder:
                unfinished = Path(folder) / path.name
                packages = self._packages(Path(folder) / "python")
                _write(unfinished, {**self.contents(), **_tree(packages, "python/")})
                unfinished.replace(path)
        os.utime(path)
        bundles = sorted(directory.glob("*.tar.gz"), key=lambda one: one.stat().st_mtime)
        for old in bundles[:-_KEPT]:
            old.unlink()
        return path

    def locked(self) -> str:
        """Return the lock's entries of the packages."""
        entries = re.split(r"^(?=[A-Za-z0-9])", self.requirements.read_text(), flags=re.MULTILINE)
        return "".join(entry for entry in entries if entry.split("==")[0] in _PACKAGES)

    def _packages(self, folder: Path) -> Path:
        command = [
            *(str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--no-deps"),
            *("--require-hashes", "--only-binary=:all:", "--requirement=-"),
            *(f"--target={folder}", f"--python-version={self.python}"),
            f"--python-platform={_MACHINES[self.architecture]}-manylinux_2_34",
        ]
        environment = {"UV_SYSTEM_CERTS": "true", **os.environ}
        result = subprocess.run(
            command,
            input=self.locked(),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(
                "What a host configures itself with could not be put together: "
                f"{result.stderr.strip()}. It needs the package index once; run the same command "
                "again when it can be reached"
            )
        return folder


def sha256(path: Path) -> str:
    """Return a file's hash in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tree(folder: Path, prefix: str) -> dict[str, tuple[bytes, int]]:
    return {
        f"{prefix}{path.relative_to(folder)}": (
            path.read_bytes(),
            0o755 if path.stat().st_mode & 0o100 else 0o644,
        )
        for path in _files(folder)
    }


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(folder).parts):
            yield path


def _write(path: Path, contents: Mapping[str, tuple[bytes, int]]) -> None:
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, (content, mode) in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))


_INVENTORY = b"""---
all:
  hosts:
    localhost:
      ansible_connection: local
      ansible_python_interpreter: /usr/bin/python3
"""
