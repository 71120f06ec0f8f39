"""The running releases of this host: systemd units, their ports, and the check of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import READINESS_OFFSET
from .install import Releases
from .system import RefusedError, run, write_atomically

if TYPE_CHECKING:
    from .config import Config

CHECK_SECONDS = 20
BOOT_SECONDS = 90
LISTENING = "0A"
PROPERTIES = "Id,ActiveState,StatusText,NRestarts,MemoryCurrent,ActiveEnterTimestamp"


@dataclass(frozen=True)
class Instances:
    """The service's template unit, one instance a release."""

    config: Config

    def loaded(self) -> dict[str, dict[str, str]]:
        """Return what systemd says of each release that it has in memory."""
        text = run("systemctl", "show", self.config.unit("*"), f"--property={PROPERTIES}")
        blocks = [
            dict(line.split("=", 1) for line in block.splitlines())
            for block in text.split("\n\n")
            if block.strip()
        ]
        return {self._release(block["Id"]): block for block in blocks}

    def state(self, release: str) -> str:
        """Return the unit's state: active, activating, inactive, failed, ..."""
        return _state(self.config.unit(release))

    def guard(self) -> str:
        """Return the state of the unit that guards the redirect."""
        return _state(f"{self.config.name}-guard.service")

    def enabled(self) -> set[str]:
        """Return the releases that a boot starts."""
        links = self.config.wanted_units.glob(self.config.unit("*"))
        return {self._release(link.name) for link in links}

    def port(self, release: str) -> int | None:
        """Return the port that a release was last started on."""
        try:
            lines = self._environment(release).read_text().splitlines()
        except FileNotFoundError:
            return None
        return int(dict(line.split("=", 1) for line in lines)["SERVER_PORT"])

    def free_port(self, after: int | None) -> int:
        """Return a port of the pool that nothing uses, the one used longest ago if possible."""
        first, last = self.config.pool
        pool = list(range(first, last + 1))
        start = pool.index(after) + 1 if after in pool else 0
        taken = _listening() | {self.port(release) for release in self.loaded()}
        for port in pool[start:] + pool[:start]:
            if taken.isdisjoint(self.config.ports(port).values()):
                return port
        raise RefusedError(
            f"every port from {first} to {last} is in use: older releases still end their"
            " connections, or other programs listen there. Look with: ss -ltnp"
        )

    def start(self, release: str, port: int) -> None:
        """Start a release on a port and wait until it says that it is ready."""
        wait_for_boot()
        settings = f"SERVER_PORT={port}\nSERVER_RELEASE={release}\n"
        if self.config.readiness_port:
            settings += f"READINESS_PORT={port + READINESS_OFFSET}\n"
        write_atomically(self._environment(release), settings)
        self._ending(release).unlink(missing_ok=True)
        unit = self.config.unit(release)
        run("systemctl", "reset-failed", unit, check=False)
        self._take_in_changed_units(unit)
        try:
            run("systemctl", "start", unit)
        except RefusedError as error:
            reason = str(error).partition("\n")[0]
            words = ("--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_UNIT={unit}")
            said = run("journalctl", *words, check=False).strip()[-600:].rstrip(".")
            raise RefusedError(
                f"release {release} did not start: {reason} It said last: {said or 'nothing'}."
                f" Its log: journalctl -u {unit}"
            ) from error

    def resume(self, release: str) -> int | None:
        """Take back a release's drain; return its port, or None when it does not run."""
        self._ending(release).unlink(missing_ok=True)
        if self.state(release) != "active" or not self._signal("SIGUSR2", release):
            return None
        return self.port(release)

    def drain(self, release: str) -> None:
        """Let a release finish its calls and end by itself; nothing starts it again.

        No boot does, and not systemd either when it dies before its end.
        """
        self.disable(release)
        self.config.ending.mkdir(parents=True, exist_ok=True)
        self._ending(release).touch()
        if self.state(release) != "active" or not self._signal("SIGUSR1", release):
            self.stop(release)

    def stop(self, release: str) -> None:
        """Stop a release at once; calls in progress have the server's grace to end."""
        unit = self.config.unit(release)
        self.disable(release)
        run("systemctl", "stop", unit)
        run("systemctl", "reset-failed", unit, check=False)

    def enable(self, release: str) -> None:
        """Let a boot start a release. systemd reads the link at boot: no reload is needed."""
        if release not in self.enabled():
            run("systemctl", "enable", "--quiet", "--no-reload", self.config.unit(release))

    def disable(self, release: str) -> None:
        """Let no boot start a release."""
        if release in self.enabled():
            run("systemctl", "disable", "--quiet", "--no-reload", self.config.unit(release))

    def forget(self, release: str) -> None:
        """Remove what `start` wrote for a release that is being removed."""
        self._environment(release).unlink(missing_ok=True)

    def check(self, release: str, port: int) -> None:
        """Call a port as the release's own client, as the service's user: mTLS, health, answers.

        The client has the release's id and settings in its environment, as the server does: by
        them it knows which answers are right. An older release's client knows fewer options.
        RefusedError says what the client saw.
        """
        config = self.config
        python = config.folder(release) / "venv/bin/python"
        client: list[str | Path] = [
            python,
            "-I",
            "-m",
            config.check_module,
            "--address",
            f"127.0.0.1:{port}",
        ]
        files: list[str | Path] = [
            *("--server-name", config.server_name, "--ca-file", config.tls / "ca.crt"),
            *("--certificate-file", config.tls / "server.crt"),
            *("--key-file", config.tls / "server.key"),
        ]
        settings = {**Releases(config).settings(release), "SERVER_RELEASE": release}
        account: dict[str, Any] = {"user": config.name, "group": config.name, "extra_groups": []}
        try:
            run(*client, *files, timeout=CHECK_SECONDS, cwd="/", env=settings, **account)
        except RefusedError as error:
            unit = config.unit(release)
            raise RefusedError(
                f"release {release} does not answer on port {port}: {error}."
                f" Its log: journalctl -u {unit}"
            ) from error

    def _signal(self, name: str, release: str) -> bool:
        """Signal a release's server; return False when it has ended by itself meanwhile."""
        unit = self.config.unit(release)
        try:
            run("systemctl", "kill", f"--signal={name}", "--kill-who=main", unit)
        except RefusedError:
            if self.state(release) == "active":
                raise
            return False
        return True

    def _take_in_changed_units(self, unit: str) -> None:
        stale = run("systemctl", "show", unit, "--property=NeedDaemonReload", "--value")
        if stale.strip() == "yes":
            run("systemctl", "daemon-reload")

    def _environment(self, release: str) -> Path:
        return self.config.instances / f"{release}.env"

    def _ending(self, release: str) -> Path:
        return self.config.ending / release

    def _release(self, unit: str) -> str:
        return unit[len(self.config.name) + 1 : -len(".service")]


def wait_for_boot() -> None:
    """Wait until the host has booted: until then `systemctl start` would wait without a limit."""
    state = run("systemctl", "is-system-running", check=False).strip()
    if state in {"initializing", "starting"}:
        try:
            run("systemctl", "is-system-running", "--wait", check=False, timeout=BOOT_SECONDS)
        except RefusedError as error:
            raise RefusedError(
                f"the host is still booting after {BOOT_SECONDS} s. Look with: systemctl list-jobs"
            ) from error


def _state(unit: str) -> str:
    return run("systemctl", "show", unit, "--property=ActiveState", "--value").strip()


def _listening() -> set[int | None]:
    ports: set[int | None] = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == LISTENING:
                ports.add(int(local.rsplit(":", 1)[1], 16))
    return ports
