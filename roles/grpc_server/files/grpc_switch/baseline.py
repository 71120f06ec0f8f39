"""What a deployment left on the host, and what differs from it now."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .system import run, write_atomically

if TYPE_CHECKING:
    from .config import Config

MANIFEST = "manifest.sha256"
PACKAGES = ("nftables", "python3.11")
UNITS = ("@", "-guard", "-redirect", "-watch")
# Where units are changed beside the files of the deployment: by drop-ins, masks and properties.
SYSTEMD = ("etc/systemd/system", "etc/systemd/system.control", "run/systemd/system")


def record(config: Config, release: str | None = None) -> dict[str, Any]:
    """Keep checksums of the deployment's files and versions of its packages, to compare with.

    The answer names the files of a release that were `edited` since it was installed.
    """
    text = _deployed(config)
    changed = _recorded(config) != text
    if changed:
        write_atomically(_record(config), text)
    found = edited(config, release) if release else None
    return {"changed": changed, "edited": found or []}


def is_recorded(config: Config) -> bool:
    """Tell whether what was recorded is what there is now."""
    return _recorded(config) == _deployed(config)


def drift(config: Config, release: str | None) -> dict[str, Any]:
    """Return what differs: `files` and `packages` by name, and the release's `edited` files.

    `recorded` and `manifest` tell whether there was something to compare with.
    """
    before: dict[str, Any] = json.loads(_recorded(config) or "{}")
    found = edited(config, release) if release else []
    answer: dict[str, Any] = {"recorded": bool(before), "manifest": found is not None}
    answer["edited"] = found or []
    answer["files"] = _overrides(config)
    if before:
        answer["files"].update(_differences(before["files"], _files(config)))
        answer["packages"] = _differences(before["packages"], packages())
    return answer


def edited(config: Config, release: str) -> list[str] | None:
    """Return the release's files that differ from its manifest; None without a manifest."""
    folder = config.folder(release)
    try:
        lines = (folder / MANIFEST).read_text().splitlines()
    except FileNotFoundError:
        return None
    before = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    differing = _differences(before, checksums(folder))
    return [f"{folder / name}: {how}" for name, how in sorted(differing.items())]


def write_manifest(folder: Path, description: str) -> None:
    """Keep the checksums of a release's files; `description` is its release.json to come."""
    lines = {**checksums(folder), "release.json": hashlib.sha256(description.encode()).hexdigest()}
    text = "".join(f"{value}  {name}\n" for name, value in sorted(lines.items()))
    (folder / MANIFEST).write_text(text)


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder by its relative path, links by target."""
    found: dict[str, str] = {}
    for directory, folders, files in os.walk(folder):
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in [*files, *links]:
            path = Path(directory, name)
            found[str(path.relative_to(folder))] = _checksum(path)
    found.pop(MANIFEST, None)
    return found


def packages() -> dict[str, str]:
    """Return the versions of the packages that the service needs; a missing one has none."""
    if Path("/usr/bin/rpm").exists():
        query = ["rpm", "--query", "--queryformat=%{NAME} %{VERSION}-%{RELEASE}\\n", *PACKAGES]
    else:
        query = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\\n", *PACKAGES]
    found = dict.fromkeys(PACKAGES, "not installed")
    for line in run(*query, check=False).splitlines():
        name, _, version = line.partition(" ")
        if name in found and version:
            found[name] = version
    return found


def _record(config: Config) -> Path:
    return config.state / "deployed.json"


def _recorded(config: Config) -> str:
    path = _record(config)
    return path.read_text() if path.exists() else ""


def _deployed(config: Config) -> str:
    return json.dumps({"files": _files(config), "packages": packages()}, indent=2) + "\n"


def _differences(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    found = dict.fromkeys(before.keys() - now.keys(), "removed")
    found.update(dict.fromkeys(now.keys() - before.keys(), "added"))
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            short = len(before[name]) < 32 and len(now[name]) < 32
            found[name] = f"{before[name]} became {now[name]}" if short else "edited"
    return found


def _files(config: Config) -> dict[str, str]:
    system = config.root / "etc/systemd/system"
    program = config.root / "usr/local"
    paths = [system / f"{config.name}{unit}.service" for unit in UNITS]
    paths += [system / "nftables.service", config.root / "etc/grpc-switch.json"]
    paths += [program / "sbin/grpc-switch", *program.glob("lib/grpc-switch/grpc_switch/*.py")]
    links = [config.wanted_units / f"{config.name}{unit}.service" for unit in UNITS]
    return {str(path): _state(path) for path in sorted([*paths, *links]) if _exists(path)}


def _overrides(config: Config) -> dict[str, str]:
    """Return what changes a unit of the service without being its file: a deployment has none."""
    found: dict[str, str] = {}
    for where in SYSTEMD:
        for path in (config.root / where).glob(f"{config.name}[@-]*"):
            if path.name.endswith(".d"):
                found.update({str(file): "changes a unit" for file in path.glob("*")})
            elif where.startswith("run"):
                found[str(path)] = "masks a unit" if path.is_symlink() else "changes a unit"
    return found


def _state(path: Path) -> str:
    status = path.lstat()
    owner = f"{_name(pwd.getpwuid, status.st_uid)}:{_name(grp.getgrgid, status.st_gid)}"
    return f"{_checksum(path)} {stat.S_IMODE(status.st_mode):04o} {owner}"


def _name(look_up: Any, number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _checksum(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return "no file"
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
