"""How a release comes about: find it, or build and collect its wheels and pack them."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import descriptors, settings
from .archive import Content
from .lock import Pin
from .projects import Projects
from .store import Record, Store
from .target import Target
from .wheels import Cache, Wheel, check_complete

_FORMAT = 2  # raised when the same inputs begin to give another archive


@dataclass(frozen=True)
class Builder:
    """Everything that one release is made from."""

    projects: Projects
    pins: Mapping[str, Pin]
    installer: Pin
    settings: dict[str, str]
    target: Target
    cache: Cache
    proto: Path | None = None

    @cached_property
    def descriptors(self) -> bytes:
        """The descriptors of what the last project serves, empty when it has no .proto files."""
        folder = descriptors.folder(self.projects.folders[-1], self.proto)
        return b"" if folder is None else descriptors.compiled(folder)

    @cached_property
    def inputs(self) -> str:
        """The hash by which a release that was built before is recognised."""
        pins = sorted(pin.line for pin in self._wanted())
        interface = hashlib.sha256(self.descriptors).hexdigest()
        parts = [_FORMAT, repr(self.target), self.projects.digest(), self.settings, pins, interface]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def release(self, store: Store, *, check_mode: bool) -> dict[str, object]:
        """Return the module's result: the fact `release`, whether it is new, and what differs.

        In check mode nothing is written; the id is `<version>-unbuilt` when wheels would have to
        be downloaded before it is known. Raises ReleaseError.
        """
        self.projects.check()
        before, record = store.newest(), store.find(self.inputs)
        if record is None:
            with tempfile.TemporaryDirectory() as scratch:
                record, new = self._build(store, Path(scratch), check_mode=check_mode)
        else:
            new = False
        fact = {
            "id": record.id,
            "archive": str(store.path(record.id)),
            "descriptors": base64.b64encode(self.descriptors).decode(),
        }
        differences = _differences(before, record) if new else []
        return {"changed": new, "diff": differences, "ansible_facts": {"release": fact}}

    def _build(self, store: Store, scratch: Path, *, check_mode: bool) -> tuple[Record, bool]:
        own = [Wheel.of(path) for path in self._built(scratch, check_mode=check_mode)]
        wanted = self._wanted()
        locked, missing = self.cache.find(wanted)
        if missing and check_mode:
            return self._record(f"{own[-1].version}-unbuilt", own, b""), True
        if missing:
            self.cache.download(missing)
            locked, _ = self.cache.find(wanted)
        check_complete([*own, *locked], self.target)
        content = self._content(own, locked)
        archive = content.pack()
        record = self._record(content.id, own, archive)
        new = not store.holds(record)
        if not check_mode:
            store.add(record, archive)
        return record, new

    def _built(self, scratch: Path, *, check_mode: bool) -> list[Path]:
        """Build the projects' wheels, unless that was done before: settings are not in them."""
        key = f"{sys.implementation.cache_tag}-{self.projects.digest()}"
        wheels = self.cache.built(key)
        if not wheels:
            wheels = self.projects.build(scratch)
            if not check_mode:
                self.cache.keep(key, wheels)
        return wheels

    def _wanted(self) -> list[Pin]:
        return list({**self.pins, self.installer.name: self.installer}.values())

    def _content(self, own: list[Wheel], locked: list[Wheel]) -> Content:
        installed = [wheel for wheel in [*own, *locked] if wheel.name != self.installer.name]
        lines = sorted(wheel.pin.line for wheel in installed)
        files = {f"wheels/{w.path.name}": w.path.read_bytes() for w in [*own, *locked]}
        files["requirements.txt"] = "".join(f"{line}\n" for line in lines).encode()
        files["settings.env"] = settings.environment_file(self.settings).encode()
        if self.descriptors:
            files[descriptors.NAME] = self.descriptors
        return Content(own[-1].name, own[-1].version, self.target, self.settings, files)

    def _record(self, release: str, own: list[Wheel], archive: bytes) -> Record:
        projects = [f"{wheel.pin} (wheel {wheel.sha256[:12]})" for wheel in own]
        return Record(
            id=release,
            inputs=self.inputs,
            sha256=hashlib.sha256(archive).hexdigest(),
            settings=self.settings,
            distributions=sorted([*map(str, self._wanted()), *projects]),
        )


def _differences(before: Record | None, after: Record) -> list[dict[str, str]]:
    def text(record: Record | None, part: str) -> str:
        if record is None:
            return ""
        if part == "settings":
            return settings.environment_file(record.settings)
        return "".join(f"{line}\n" for line in record.distributions)

    old, new = before.id if before else "no release", after.id
    return [
        {
            "before_header": f"{part} of {old}",
            "after_header": f"{part} of {new}",
            "before": text(before, part),
            "after": text(after, part),
        }
        for part in ("settings", "distributions")
    ]
