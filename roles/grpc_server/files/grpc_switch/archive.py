"""A release's archive: what may be in it, and how it is unpacked."""

from __future__ import annotations

import json
import platform
import re
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

from .system import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config

# Plain files, in the release's own folder or in wheels/: no name can lead anywhere else.
MEMBER = re.compile(r"(wheels/)?[A-Za-z0-9][A-Za-z0-9._+!-]*")
REQUIRED = {"release.json", "requirements.txt", "settings.env"}
RESERVED = {"venv", "wheels"}
LARGEST_DESCRIPTION = 1_000_000


def describe(config: Config, archive: Path) -> dict[str, Any]:
    """Return the archive's release.json after checking that this host can install it.

    RefusedError when it is no plain tar, holds anything but plain files with plain names, is
    not the release that its name says, or is made for another platform or Python.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            _check_members(tar)
            description = _description(tar)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise RefusedError(f"{archive} is no release archive: {error}") from error
    _check_description(config, archive, description)
    return description


def unpack(archive: Path, folder: Path) -> None:
    """Write the archive's files into a folder, with names and modes of our own choosing."""
    (folder / "wheels").mkdir(parents=True)
    with tarfile.open(archive, "r:") as tar:
        _check_members(tar)
        for member in tar.getmembers():
            source = tar.extractfile(member) if member.isreg() else None
            if source is not None and member.name != "release.json":
                with source, (folder / member.name).open("xb") as target:
                    shutil.copyfileobj(source, target)


def _check_members(tar: tarfile.TarFile) -> None:
    seen: set[str] = set()
    for member in tar.getmembers():
        name = member.name
        if member.isdir() and name == "wheels":
            continue
        plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
        if not plain or not MEMBER.fullmatch(name) or name in RESERVED or name in seen:
            raise ValueError(f"it holds {name!r}, which is no plain file of a release")
        seen.add(name)
    missing = ", ".join(sorted(REQUIRED - seen))
    if missing:
        raise ValueError(f"it lacks {missing}")


def _description(tar: tarfile.TarFile) -> dict[str, Any]:
    file = tar.extractfile("release.json")
    description = json.loads(file.read(LARGEST_DESCRIPTION)) if file else None
    if not isinstance(description, dict):
        raise TypeError("its release.json is no JSON object")
    return description


def _check_description(config: Config, archive: Path, description: dict[str, Any]) -> None:
    release = description.get("id")
    if release != archive.stem:
        raise RefusedError(f"{archive} holds release {release!r}: it is not what its name says")
    config.folder(release)
    here = {"platform": platform.machine(), "python": config.python.rpartition("python")[2]}
    for key, value in here.items():
        if description.get(key) != value:
            raise RefusedError(
                f"release {release} is made for {key} {description.get(key)}, not for {value}:"
                " build the release for this host's architecture"
            )
