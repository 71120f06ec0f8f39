"""Installed releases: unpack one with an environment of its own, list them, remove old ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .system import RefusedError, run, write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection

    from .config import Config

DESCRIPTION = "release.json"
# An unpacked environment with its bytecode takes about four times its wheels.
GROWTH = 5
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Releases:
    """The folder of installed releases; one without its release.json is not complete."""

    config: Config

    def installed(self) -> dict[str, dict[str, Any]]:
        """Return the description of each complete release, the newest first."""
        files = list(self.config.releases.glob(f"*/{DESCRIPTION}"))
        files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        return {file.parent.name: json.loads(file.read_text()) for file in files}

    def require(self, release: str) -> None:
        """Refuse a release that is not installed, and say which ones are."""
        if not (self.config.folder(release) / DESCRIPTION).exists():
            kept = ", ".join(self.installed()) or "none"
            raise RefusedError(f"release {release} is not installed here. Installed are: {kept}")

    def settings(self, release: str) -> dict[str, str]:
        """Return the settings that are part of a release."""
        description = json.loads((self.config.folder(release) / DESCRIPTION).read_text())
        return dict(description.get("settings", {}))

    def install(self, path: Path, running: Collection[str] = ()) -> dict[str, Any]:
        """Install an archive; one that is installed already, and as it was, changes nothing.

        An archive in the incoming folder is removed afterwards, so another run may have taken it
        and installed the release. RefusedError leaves no trace of the release, unless it is
        `running`: then its files stay, edited as they are.
        """
        if not path.exists() and (self.config.folder(path.stem) / DESCRIPTION).exists():
            return {"changed": False, "release": path.stem}
        from . import archive

        description = archive.describe(self.config, path)
        folder = self.config.folder(description["id"])
        self._drop_edited(folder.name, running)
        changed = not (folder / DESCRIPTION).exists()
        if changed:
            self.remove_unfinished()
            self._require_space(path)
            try:
                self._build(path, folder, description)
            except (OSError, RefusedError) as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise RefusedError(f"{folder.name} could not be installed: {error}") from error
        if path.resolve().parent == self.config.incoming.resolve():
            path.unlink()
        return {"changed": changed, "release": folder.name}

    def _drop_edited(self, release: str, running: Collection[str]) -> None:
        """Make a release whose files were edited an unfinished one."""
        from .baseline import edited

        complete = (self.config.folder(release) / DESCRIPTION).exists()
        found = edited(self.config, release) if complete else None
        if found and release in running:
            raise RefusedError(
                f"{found[0]}. The release still runs from its files: install it when it has ended"
            )
        if found:
            (self.config.folder(release) / DESCRIPTION).unlink()

    def remove_unfinished(self) -> None:
        """Remove what interrupted installations left, and parts of archives that never came."""
        for folder in self.config.releases.glob("*"):
            if not (folder / DESCRIPTION).exists():
                shutil.rmtree(folder)
        for part in self.config.incoming.glob("*.tar.*"):
            part.unlink(missing_ok=True)

    def remove_old(self, in_use: Collection[str], wanted: Collection[str]) -> list[str]:
        """Remove all but the newest releases; return the removed.

        Those `in_use` always stay; those `wanted`, the most wanted first, before others.
        """
        order = list(dict.fromkeys([*in_use, *wanted, *self.installed()]))
        removed = [name for name in order[self.config.keep :] if name not in in_use]
        removed = [name for name in removed if (self.config.releases / name).exists()]
        for name in removed:
            # Without its description it is unfinished, should the removal be interrupted.
            (self.config.folder(name) / DESCRIPTION).unlink()
            shutil.rmtree(self.config.folder(name))
        return removed

    def _require_space(self, path: Path) -> None:
        self.config.releases.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.config.releases).free
        needed = path.stat().st_size * GROWTH + self.config.minimum_free_mebibytes * MEBIBYTE
        if free < needed:
            raise RefusedError(
                f"not enough room in {self.config.releases}: {free // MEBIBYTE} MiB are free,"
                f" {needed // MEBIBYTE} MiB are needed. Nothing was changed"
            )

    def _build(self, path: Path, folder: Path, description: dict[str, Any]) -> None:
        from . import archive, environment
        from .baseline import write_manifest

        alike = [
            self.config.folder(release)
            for release, installed in self.installed().items()
            if installed.get("python") == description["python"]
        ]
        archive.unpack(path, folder)
        environment.make(self.config, folder, alike)
        shutil.rmtree(folder / "wheels")
        text = json.dumps(description, indent=2) + "\n"
        write_manifest(folder, text)
        run("sync", "--file-system", folder)
        write_atomically(folder / DESCRIPTION, text)
