"""What a fault is, and what it can reach."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.host import Host
from tests.e2e.environment import Environment


@dataclass
class Scene:
    """What a fault can reach: the deployment that runs, its host, and the two releases."""

    environment: Environment
    host: Host
    old: str
    folder: Path
    new: str = ""
    deployment: subprocess.Popen[bytes] | None = None
    cuts: list[subprocess.Popen[bytes]] = field(default_factory=list)


def nothing(_: Scene) -> None:
    """Leave all as it is."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is made ready before the deployment, what happens, and what ends it."""

    name: str
    strike: Callable[[Scene], None]
    prepare: Callable[[Scene], None] = nothing
    mend: Callable[[Scene], None] = nothing
