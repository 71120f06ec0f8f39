"""A release's environment: its packages, as another release has them and by pip."""

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

    Requirements name each package by its hash. So what one of the `others`, installed releases
    for the same Python, has by the same hash is what pip would install, and copying it takes a
    tenth of the time: pip installs the rest, for most releases the service alone. One whose files
    were edited since is not copied.
    """
    run(config.python, "-I", "-m", "venv", "--without-pip", folder / "venv")
    wanted = _requirements(folder)
    source = _most_alike(config, wanted, others)
    if source:
        _copy(source, folder)
    missing = wanted - _requirements(source) if source else wanted
    if missing:
        _install(config, folder, missing)


def _most_alike(config: Config, wanted: set[str], others: Iterable[Path]) -> Path | None:
    """Return the unedited release that has most of what is wanted, and no package besides."""
    names = {_name(line) for line in wanted}
    shared = {other: _requirements(other) for other in others}
    useful = [
        other
        for other, has in shared.items()
        if wanted & has and names.issuperset(_name(line) for line in has)
    ]
    useful.sort(key=lambda other: len(wanted & shared[other]), reverse=True)
    return next((other for other in useful if edited(config, other.name) == []), None)


def _requirements(folder: Path) -> set[str]:
    """Return a release's requirements, one line each; none when somebody has removed them."""
    path = folder / REQUIREMENTS
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.strip() for line in lines} - {""}


def _name(requirement: str) -> str:
    return requirement.partition("==")[0]


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


def _install(config: Config, folder: Path, requirements: set[str]) -> None:
    """Have pip install packages, each in the place of another version that was copied."""
    listed = folder / "wheels" / REQUIREMENTS
    listed.write_text("\n".join(sorted(requirements)))
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
    options += ["--force-reinstall", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    sources: list[str | Path] = ["--find-links", folder / "wheels", "--requirement", listed]
    sandbox = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *unit]
    run(*sandbox, *command, *options, *sources, timeout=INSTALL_SECONDS)
