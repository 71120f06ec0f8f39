"""Projects: folders with a pyproject.toml that are built into wheels."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from packaging.requirements import Requirement

from . import ReleaseError

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SOURCE_DATE_EPOCH = "315532800"


@dataclass(frozen=True)
class Projects:
    """The projects of a release, the folders they read beside their own, and what is ignored.

    `ignored` holds patterns of file and folder names, as in `*.pyc`.
    """

    folders: tuple[Path, ...]
    sources: tuple[Path, ...]
    ignored: tuple[str, ...]

    def check(self) -> None:
        """Raise ReleaseError when a folder is missing or a project has no pyproject.toml."""
        wanted = [folder / "pyproject.toml" for folder in self.folders]
        for path in [*wanted, *self.sources]:
            if not path.exists():
                raise ReleaseError(
                    f"There is no {path}: a release is built from it. Correct release_projects "
                    "or release_sources."
                )

    def digest(self) -> str:
        """Return a hash of every file that a build sees and of the tools it is built with."""
        total = hashlib.sha256()
        for root, path in self._files():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{content} {root.name}/{path.relative_to(root).as_posix()}\n".encode())
        for folder in self.folders:
            total.update("\n".join(_build_tools(folder)).encode())
        return total.hexdigest()

    def build(self, scratch: Path) -> list[Path]:
        """Build a wheel of each project in `scratch` and return them, in the projects' order.

        The sources are copied first, so that a build sees exactly what `digest` saw and can
        write nothing beside them. Raises ReleaseError when a build fails.
        """
        tree = Path(os.path.commonpath([folder.parent for folder in self.folders + self.sources]))
        for _, path in self._files():
            copy = scratch / "tree" / path.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        copies = [scratch / "tree" / folder.relative_to(tree) for folder in self.folders]
        return [_build(copy, scratch / f"wheel{index}") for index, copy in enumerate(copies)]

    def _files(self) -> Iterator[tuple[Path, Path]]:
        for root in self.folders + self.sources:
            for path in sorted(self._below(root)):
                yield root, path

    def _below(self, folder: Path) -> Iterator[Path]:
        for entry in folder.iterdir():
            if any(fnmatch(entry.name, pattern) for pattern in self.ignored):
                continue
            if entry.is_dir():
                yield from self._below(entry)
            else:
                yield entry


def _build_tools(folder: Path) -> Iterator[str]:
    description = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    for requirement in description.get("build-system", {}).get("requires", ["setuptools"]):
        name = Requirement(requirement).name
        try:
            yield f"{name}=={importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError as error:
            raise ReleaseError(
                f"{folder} cannot be built: its build needs {name}, which {sys.executable} lacks. "
                f"Install it there: {sys.executable} -m pip install '{requirement}'"
            ) from error


def _build(project: Path, output: Path) -> Path:
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH,
        "TZ": "UTC",
    }
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(output)]
    result = subprocess.run(
        [*command, str(project)], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        talk = (result.stdout + result.stderr).strip()
        raise ReleaseError(f"The project {project.name} could not be built: {talk}")
    (wheel,) = output.glob("*.whl")
    return _normalised(wheel)


def _normalised(wheel: Path) -> Path:
    """Rewrite a wheel so that its bytes depend on its files only.

    Whatever the backend does about times, modes and order, and whichever zlib packed it.
    """
    rewritten = wheel.with_suffix(".rewritten")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(rewritten, "w") as target:
        for name in sorted(name for name in source.namelist() if not name.endswith("/")):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            target.writestr(entry, source.read(name))
    return rewritten.replace(wheel)
