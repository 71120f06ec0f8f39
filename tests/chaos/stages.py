"""The stages of a deployment, and how to tell that one has come."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.host import Host


@dataclass(frozen=True)
class Progress:
    """How far a deployment of a release has come: what it printed, and what the host shows."""

    output: str
    host: Host
    release: str

    @property
    def has_begun_to_install(self) -> bool:
        """Whether the release's folder is there, and the release in it is not complete."""
        folder = self.host.path(f"/opt/saudacao/releases/{self.release}")
        return (folder / "venv").exists() and not (folder / "release.json").exists()

    @property
    def is_mapped(self) -> bool:
        """Whether new connections go to the release, provisionally."""
        record = self.host.record()
        return record.get("release") == self.release and record["confirm_by"] is not None

    @property
    def is_confirmed(self) -> bool:
        """Whether the release is the confirmed one."""
        record = self.host.record()
        return record.get("release") == self.release and record["confirm_by"] is None

    def does(self, task: str) -> bool:
        """Tell whether a task has begun."""
        return f"TASK [grpc_server : {task}" in self.output


Stage = Callable[[Progress], bool]
STAGES: dict[str, Stage] = {
    "before the install": lambda now: now.does("Take the host's lock"),
    "while installing": lambda now: now.has_begun_to_install,
    "after the new release started": lambda now: (
        now.host.is_checking(now.release) and not now.is_mapped
    ),
    "after the map changed": lambda now: now.is_mapped,
    "during the proof": lambda now: now.does("Let the release be called"),
    "while confirming": lambda now: now.is_confirmed,
    "while the old one drains": lambda now: (
        now.is_confirmed and now.does("Hold the lock no longer")
    ),
}
