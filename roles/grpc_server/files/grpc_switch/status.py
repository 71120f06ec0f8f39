"""What the host says of itself, without changing anything."""

from __future__ import annotations

import hashlib
import shutil
import time
from typing import TYPE_CHECKING, Any

from . import journal, mapping
from .install import MEBIBYTE, Releases
from .instances import Instances
from .lease import Lease

if TYPE_CHECKING:
    from .config import Config

DESCRIPTORS = "descriptors.binpb"


def status(config: Config, compared: str | None = None) -> dict[str, Any]:
    """Return the release in use, the way back, every installed release and its unit's state.

    With a release to be `compared`, also `recorded`, whether `record` would change nothing, and
    `edited`, the release's files that were edited since it was installed.
    """
    record = mapping.read(config)
    loaded = mapping.loaded(config)
    equals_file = loaded == mapping.written(config)
    left = None if record.confirm_by is None else round(record.confirm_by - time.time(), 1)
    releases = _releases(config)
    return {
        "name": config.name,
        "port": config.port,
        "release": record.release,
        "release_port": record.port,
        "previous": list(record.previous),
        "provisional": record.provisional,
        "confirm_seconds_left": left,
        "map": {
            "loaded_port": loaded.get(config.port),
            "loaded_readiness_port": loaded.get(config.readiness_port),
            "equals_file": equals_file,
        },
        "releases": releases,
        "settled": equals_file and _is_settled(record, releases),
        "guard": Instances(config).guard(),
        "lease": Lease(config).holder(),
        "free_mebibytes": _free_mebibytes(config),
        **(_compared(config, compared) if compared else {}),
    }


def _compared(config: Config, release: str) -> dict[str, Any]:
    from .baseline import edited, is_recorded

    return {"recorded": is_recorded(config), "edited": edited(config, release) or []}


def _releases(config: Config) -> dict[str, dict[str, Any]]:
    instances, deployed = Instances(config), journal.deployments(config)
    units, enabled = instances.loaded(), instances.enabled()
    return {
        name: {
            "version": description.get("version"),
            "interface": _interface(config, name),
            "deployed": deployed.get(name, {}).get("at"),
            "deployed_by": deployed.get(name, {}).get("by"),
            "enabled": name in enabled,
            **_unit(units.get(name, {})),
            "port": instances.port(name) if name in units else None,
        }
        for name, description in Releases(config).installed().items()
    }


def _interface(config: Config, release: str) -> str | None:
    """Return the SHA-256 of a release's descriptors; None when it has none."""
    path = config.folder(release) / DESCRIPTORS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _is_settled(record: mapping.Record, releases: dict[str, dict[str, Any]]) -> bool:
    """Whether nothing is left to do: one confirmed release serves, and only it is enabled."""
    in_use = releases.get(record.release or "", {})
    enabled = [name for name, release in releases.items() if release["enabled"]]
    serves = in_use.get("state") == "active" and enabled == [record.release]
    return serves and not record.provisional


def _unit(unit: dict[str, str]) -> dict[str, Any]:
    memory = unit.get("MemoryCurrent", "")
    return {
        "state": unit.get("ActiveState", "inactive"),
        "status": unit.get("StatusText", ""),
        "since": unit.get("ActiveEnterTimestamp", ""),
        "restarts": int(unit.get("NRestarts", 0)),
        "memory_bytes": int(memory) if memory.isdigit() else None,
    }


def _free_mebibytes(config: Config) -> int | None:
    if not config.releases.exists():
        return None
    return shutil.disk_usage(config.releases).free // MEBIBYTE
