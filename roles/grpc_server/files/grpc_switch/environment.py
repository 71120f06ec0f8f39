"""A release's environment: its packages, by pip or as another release has them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .baseline import edited
from .system import RefusedError, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Config

REQUIREMENTS = "requirements.txt"
INSTALL_SECONDS = 300
# pip works from wheels alone, runs no code of theirs and needs nothing but the release's folder.
SANDBOX = (
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateNetwork=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ProtectSystem=strict",
    # In an empty network; what matters is that UNIX, and with it systemd and D-Bus, is missing.
    "RestrictAddressFamilies=AF_INET",
)


def make(config: Config, folder: Path, others: Iterable[Path]) -> None:
    """Make `venv` in a release's unpacked folder.

    Requirements name each package by its hash. So one of the `others`, installed releases for the
    same Python, that has the same requirements has the same packages, and copying them takes a
    tenth of pip's time. One whose files were edited since is not copied.
    """
    run(config.python, "-I", "-m", "venv", "--without-pip", folder / "venv")
    wanted = _requirements(folder)
    same = (one for one in others if _requirements(one) == wanted)
    unedited = (one for one in same if edited(config, one.name) == [])
    source = next(unedited, None)
    if source:
        _copy(source, folder)
    else:
        _install_wheels(config, folder)


def _requirements(folder: Path) -> bytes | None:
    """Return what a release names; None when somebody has removed it."""
    path = folder / REQUIREMENTS
    return path.read_bytes() if path.exists() else None


def _copy(source: Path, folder: Path) -> None:
    """Copy what the new environment has not; programs name the Python beside them by its path."""

    def present(directory: str, names: list[str]) -> list[str]:
        here = folder / Path(directory).relative_to(source)
        return [name for name in names if (here / name).is_symlink() or (here / name).is_file()]

    shutil.copytree(
        source / "venv", folder / "venv", symlinks=True, ignore=present, dirs_exist_ok=True
    )
    for program in (folder / "venv/bin").iterdir():
        text = program.read_bytes() if not program.is_symlink() else b""
        moved = text.replace(bytes(source), bytes(folder))
        if moved != text:
            program.write_bytes(moved)


def _install_wheels(config: Config, folder: Path) -> None:
    pip = list((folder / "wheels").glob("pip-*.whl"))
    if len(pip) != 1:
        raise RefusedError(f"the archive holds {len(pip)} wheels of pip, not one")
    paths = (f"ReadWritePaths={folder}", f"InaccessiblePaths=-{config.tls}")
    unit = [f"--property={value}" for value in (*SANDBOX, *paths)]
    command: list[str | Path] = [
        folder / "venv/bin/python",
        "-I",
        pip[0] / "pip",
        "--isolated",
        "install",
    ]
    options = ["--no-index", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    options += ["--no-cache-dir", "--disable-pip-version-check", "--quiet", "--find-links"]
    sources: list[str | Path] = [folder / "wheels", "--requirement", folder / REQUIREMENTS]
    sandbox = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *unit]
    run(*sandbox, *command, *options, *sources, timeout=INSTALL_SECONDS)
