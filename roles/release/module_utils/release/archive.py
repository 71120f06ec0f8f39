"""A release as one file: a deterministic tar."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from .target import Target

_TIME = 315532800  # 1980-01-01, the oldest time that a wheel can carry


@dataclass(frozen=True)
class Content:
    """The files of a release (by their path in the archive) and what describes it."""

    distribution: str
    version: str
    target: Target
    settings: dict[str, str]
    files: Mapping[str, bytes]

    @property
    def id(self) -> str:
        """`<version>-<12 hex digits>` of the content, and of nothing else."""
        total = hashlib.sha256(_json(self._description()))
        for name, data in sorted(self.files.items()):
            total.update(f"{hashlib.sha256(data).hexdigest()} {name}\n".encode())
        return f"{self.version}-{total.hexdigest()[:12]}"

    def pack(self) -> bytes:
        """Return the tar: release.json first, then the files by name, all else fixed."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            description = _json({"id": self.id, **self._description()})
            for name, data in [("release.json", description), *sorted(self.files.items())]:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime, entry.mode = len(data), _TIME, 0o644
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    def _description(self) -> dict[str, object]:
        return {
            "distribution": self.distribution,
            "version": self.version,
            "python": self.target.python,
            "platform": self.target.machine,
            "settings": self.settings,
        }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
