"""The releases of a deployment: archives, each with a record of what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """What is known of a stored release without opening it.

    `inputs` is the hash of everything it was made from, `sha256` that of the archive;
    `distributions` are `name==version` lines for people to compare.
    """

    id: str
    inputs: str
    sha256: str
    settings: dict[str, str]
    distributions: list[str]


@dataclass(frozen=True)
class Store:
    """A folder of releases, of which the newest `keep` stay."""

    folder: Path
    keep: int

    def path(self, release: str) -> Path:
        """Return where the archive of a release is, or would be."""
        return self.folder / f"{release}.tar"

    def newest(self) -> Record | None:
        """Return the record of the release that was stored last."""
        return next(iter(self._records()), None)

    def find(self, inputs: str) -> Record | None:
        """Return the release made from these inputs, if its archive is here and whole."""
        made = (record for record in self._records() if record.inputs == inputs)
        return next((record for record in made if self.holds(record)), None)

    def holds(self, record: Record) -> bool:
        """Tell whether the archive that a record describes is here and whole."""
        path = self.path(record.id)
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256

    def add(self, record: Record, data: bytes) -> None:
        """Write a release and its record, then remove what is older than the newest `keep`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.holds(record):
            _write(self.path(record.id), data)
        text = json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"
        _write(self.path(record.id).with_suffix(".json"), text.encode())
        for interrupted in self.folder.glob("*.partial"):
            interrupted.unlink()
        for archive in self._archives()[self.keep :]:
            if archive != self.path(record.id):
                archive.unlink()
                archive.with_suffix(".json").unlink(missing_ok=True)

    def _records(self) -> list[Record]:
        records = (_record(path.with_suffix(".json")) for path in self._archives())
        return [record for record in records if record]

    def _archives(self) -> list[Path]:
        archives = self.folder.glob("*.tar")
        return sorted(archives, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _record(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, TypeError, ValueError):
        return None


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.touch(mode=0o600)
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
