"""What the host knows about its service: one file, written by the role."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .system import RefusedError

CONFIG_FILE = Path("/etc/grpc-switch.json")
# How far a release's port for readiness is above its own.
READINESS_OFFSET = 1000
RELEASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Config:
    """The service's name, ports and limits, and every path and unit name that follows from them.

    `pool` is the first and last port that releases listen on; `readiness_port` is where load
    balancers ask whether the host is ready, 0 for nowhere; `root` is where the host's file system
    begins, another folder than `/` only in tests.
    """

    name: str
    port: int
    pool: tuple[int, int]
    python: str
    check_module: str
    server_name: str
    confirm_within_seconds: float = 120
    keep: int = 5
    minimum_free_mebibytes: int = 256
    readiness_port: int = 0
    root: Path = Path("/")

    @property
    def releases(self) -> Path:
        """One folder for each installed release."""
        return self.root / "opt" / self.name / "releases"

    @property
    def incoming(self) -> Path:
        """Archives on their way to being installed; an installed one is removed from here."""
        return self.root / "opt" / self.name / "incoming"

    @property
    def instances(self) -> Path:
        """One environment file for each release that was ever started."""
        return self.root / "etc" / self.name / "instances"

    @property
    def map_file(self) -> Path:
        """The nftables file that names the release in use and its port."""
        return self.root / "etc" / self.name / "active.nft"

    @property
    def tls(self) -> Path:
        """The folder of ca.crt, server.crt and server.key."""
        return self.root / "etc" / self.name / "tls"

    @property
    def staged_tls(self) -> Path:
        """The folder, root's alone, of certificates that are to be taken into use."""
        return self.root / "etc" / self.name / "tls.staged"

    @property
    def taken_tls(self) -> Path:
        """The folder of certificates that were found good and are being taken into use."""
        return self.root / "etc" / self.name / "tls.taken"

    @property
    def wanted_units(self) -> Path:
        """Where systemd keeps the links of enabled units."""
        return self.root / "etc/systemd/system/multi-user.target.wants"

    @property
    def lock(self) -> Path:
        """The file whose lock every verb that changes something holds."""
        return self.root / "run" / "lock" / f"grpc-switch-{self.name}"

    @property
    def ending(self) -> Path:
        """One file for each release that ends: should it die then, systemd leaves it dead."""
        return self.root / "run" / self.name / "ending"

    @property
    def state(self) -> Path:
        """The folder of what the host remembers of its runs."""
        return self.root / "var/lib" / self.name

    @property
    def journal(self) -> Path:
        """One JSON object a line: what each run intended, and how it ended."""
        return self.state / "journal.jsonl"

    @property
    def lease(self) -> Path:
        """Which run may change the service, and until when."""
        return self.state / "lease.json"

    @property
    def watch_unit(self) -> str:
        """The unit that goes back when a switch is not confirmed in time."""
        return f"{self.name}-watch.service"

    def ports(self, port: int) -> dict[int, int]:
        """Return where the public ports lead when the release on `port` is in use."""
        if not self.readiness_port:
            return {self.port: port}
        return {self.port: port, self.readiness_port: port + READINESS_OFFSET}

    def unit(self, release: str) -> str:
        """Return the unit that runs a release."""
        return f"{self.name}@{release}.service"

    def folder(self, release: str) -> Path:
        """Return a release's folder; a name that could leave the releases' folder is refused."""
        if not RELEASE_ID.fullmatch(release):
            raise RefusedError(f"{release!r} is not a release: letters, digits, '.', '_', '-' only")
        return self.releases / release


def load(path: Path = CONFIG_FILE) -> Config:
    """Read the configuration; a file that is missing or wrong is RefusedError, naming it."""
    try:
        values = json.loads(path.read_text())
        return Config(**{**values, "pool": tuple(values["pool"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RefusedError(
            f"{path} cannot be used: {error}. Run the role grpc_server again"
        ) from error
