"""Locks: requirements files in which every distribution has one version and its hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from . import ReleaseError
from .target import Target

_HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Pin:
    """One locked distribution: canonical name, version, and the sha256 of each file it may be."""

    name: str
    version: str
    hashes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The pin as a line of a requirements file."""
        return " ".join([str(self), *(f"--hash=sha256:{digest}" for digest in sorted(self.hashes))])


def read(locks: Iterable[Path], target: Target) -> dict[str, Pin]:
    """Return the pins that hold for `target`, by canonical name.

    Raises ReleaseError on a missing lock, a line that is not `name==version` with hashes, and
    two versions of one distribution.
    """
    pins: dict[str, Pin] = {}
    for path in locks:
        for line in _lines(path):
            requirement, pin = _pin(line, path)
            if not target.needs(requirement):
                continue
            if pins.setdefault(pin.name, pin).version != pin.version:
                raise ReleaseError(
                    f"The lock {path} asks for {pin}: {pins[pin.name]} is locked already. "
                    "Compile the locks against each other (uv pip compile --constraints)."
                )
    return pins


def installer(path: Path, target: Target) -> Pin:
    """Return the pin of pip in a lock; raises ReleaseError when it has none."""
    pins = read([path], target)
    if "pip" not in pins:
        raise ReleaseError(
            f"The lock {path} has no pip: hosts install a release with it. Set "
            "release_installer_requirements to a lock that pins pip."
        )
    return pins["pip"]


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReleaseError(
            f"The lock {path} cannot be read: {error.strerror}. Run `make lock`, or set "
            "release_requirements to the lock of your own service."
        ) from error
    for line in text.replace("\\\n", " ").splitlines():
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        if content:
            yield content


def _pin(line: str, path: Path) -> tuple[Requirement, Pin]:
    hashes = frozenset(_HASH.findall(line))
    text = _HASH.sub("", line)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ReleaseError(f"The lock {path} has a line that is no requirement: {text}") from error
    versions = [spec.version for spec in requirement.specifier if spec.operator == "=="]
    if len(versions) != 1 or not hashes:
        raise ReleaseError(
            f"The lock {path} does not pin {requirement.name} to one version with sha256 hashes: "
            "what would be installed is open. Run `make lock` (uv pip compile --generate-hashes)."
        )
    return requirement, Pin(canonicalize_name(requirement.name), versions[0], hashes)
