"""The wheels of a release: fetched once into a cache, checked against the lock."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from . import ReleaseError
from .lock import Pin
from .target import Target

_KEPT_BUILDS = 10


@dataclass(frozen=True)
class Wheel:
    """A wheel file and what identifies it."""

    path: Path
    name: str
    version: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Wheel:
        """Read a wheel's name and version from its file's name, and hash it."""
        name, version, _, _ = parse_wheel_filename(path.name)
        return cls(path, name, str(version), hashlib.sha256(path.read_bytes()).hexdigest())

    @property
    def pin(self) -> Pin:
        """The pin that allows this file and no other."""
        return Pin(self.name, self.version, frozenset({self.sha256}))


@dataclass(frozen=True)
class Cache:
    """One target's wheels below `root`; any number of deployments may share it."""

    root: Path
    target: Target

    @property
    def folder(self) -> Path:
        """Where this target's wheels are."""
        return self.root / self.target.folder

    def find(self, pins: Iterable[Pin]) -> tuple[list[Wheel], list[Pin]]:
        """Return the wheels that are here with a hash from their pin, and the pins without one."""
        here = [Wheel.of(path) for path in sorted(self.folder.glob("*.whl"))]
        by_hash = {wheel.sha256: wheel for wheel in here}
        found, missing = [], []
        for pin in pins:
            matches = sorted(pin.hashes & by_hash.keys())
            if matches:
                found.append(by_hash[matches[0]])
            else:
                missing.append(pin)
        return found, missing

    def built(self, key: str) -> list[Path]:
        """Return the wheels that were kept under a key, in their order; none if there are none."""
        folder = self._builds / key
        with contextlib.suppress(OSError):
            os.utime(folder)
        return [path for place in sorted(folder.glob("*")) for path in place.glob("*.whl")]

    def keep(self, key: str, wheels: Iterable[Path]) -> None:
        """Keep wheels under a key, all or none; only the newest few keys stay."""
        self._builds.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._builds) as scratch:
            whole = Path(scratch, "whole")
            for place, path in enumerate(wheels):
                copy = whole / f"{place:02}" / path.name
                copy.parent.mkdir(parents=True)
                shutil.copyfile(path, copy)
            # Another run may have been first.
            with contextlib.suppress(OSError):
                whole.rename(self._builds / key)
        kept = sorted(self._builds.glob("*-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[_KEPT_BUILDS:]:
            shutil.rmtree(old, ignore_errors=True)

    @property
    def _builds(self) -> Path:
        return self.root / "built"

    def download(self, pins: Iterable[Pin]) -> None:
        """Fetch the pins' wheels with pip, as it is configured on this machine.

        Raises ReleaseError when one does not exist for the target or has another hash.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            lock = Path(scratch, "requirements.txt")
            lock.write_text("".join(f"{pin.line}\n" for pin in pins), encoding="utf-8")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--only-binary=:all:", "--require-hashes", "--dest", scratch]
            command += [*self.target.pip_arguments, "--requirement", str(lock)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise ReleaseError(
                    f"The wheels for {self.target.folder} could not be downloaded: "
                    f"{result.stderr.strip()} Check this machine's network and pip's settings "
                    "(pip config list), or lock other versions (make lock)."
                )
            for path in Path(scratch).glob("*.whl"):
                shutil.move(path, self.folder / path.name)


def check_complete(wheels: Iterable[Wheel], target: Target) -> None:
    """Raise ReleaseError when a wheel needs a distribution that is not among them."""
    versions = {wheel.name: wheel.version for wheel in wheels}
    for wheel in wheels:
        for text in _metadata(wheel).get("requires_dist", []):
            requirement = Requirement(text)
            if target.needs(requirement) and not _satisfied(requirement, versions):
                raise ReleaseError(
                    f"{wheel.name} {wheel.version} needs {requirement}: the lock has "
                    f"{versions.get(canonicalize_name(requirement.name), 'no such distribution')}. "
                    "Compile the lock again: make lock"
                )


def _satisfied(requirement: Requirement, versions: Mapping[str, str]) -> bool:
    version = versions.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _metadata(wheel: Wheel) -> RawMetadata:
    with zipfile.ZipFile(wheel.path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata, _ = parse_email(archive.read(name))
    return metadata
