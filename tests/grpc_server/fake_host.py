"""A host for unit tests: it answers the commands that grpc-switch runs, and remembers them."""

import re
from pathlib import Path
from typing import Any

import pytest
from grpc_switch import certificates, instances, mapping, switching
from grpc_switch.config import Config
from grpc_switch.install import DESCRIPTION
from grpc_switch.system import RefusedError

UNIT = re.compile(r"saudacao@(.+)\.service")


class FakeHost:
    """systemd, nft and the check of a release, reduced to what the order of a switch needs."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, readiness_port: int = 0) -> None:
        self.config = Config(
            name="saudacao", port=50051, pool=(50061, 50063), python="/usr/bin/python3.11",
            check_module="saudacao.check", server_name="saudacao.internal", root=root,
            readiness_port=readiness_port,
        )  # fmt: skip
        self.calls: list[str] = []
        self.lines: list[str] = []
        self.failing = ""
        self.environments: list[dict[str, str]] = []
        self.states: dict[str, str] = {}
        self.config.wanted_units.mkdir(parents=True, exist_ok=True)
        for module in (certificates, instances, mapping, switching):
            patch.setattr(module, "run", self.run)
        patch.setattr(instances, "_listening", set)
        patch.setattr(switching, "require_answer", self.answer)

    @property
    def switch(self) -> switching.Switch:
        """The switch under test."""
        return switching.Switch(self.config)

    def install(self, *releases: str) -> None:
        """Have releases on the disk."""
        for release in releases:
            folder = self.config.releases / release
            folder.mkdir(parents=True)
            (folder / DESCRIPTION).write_text("{}")

    def use(self, release: str) -> None:
        """Switch to a release and confirm it, then forget how."""
        self.switch.switch(release, 60)
        self.switch.confirm(release)
        self.calls.clear()

    def run(self, *command: Any, check: bool = True, **options: Any) -> str:
        """Answer a command; the one that contains `failing` fails."""
        words = [str(word) for word in command]
        line = " ".join(words)
        self.lines.append(line)
        note = _note(words)
        if "env" in options:
            self.environments.append(options["env"])
        if note:
            self.calls.append(note)
        if self.failing and self.failing in (note or line):
            if check:
                raise RefusedError(f"{line} failed")
            return ""
        return self._answer(words)

    def answer(self, config: Config) -> None:
        """Answer a handshake on the public port, unless that is what fails."""
        self.calls.append(f"answer {config.port}")
        if self.failing == self.calls[-1]:
            raise RefusedError(f"nothing answers on port {config.port}")

    def _answer(self, words: list[str]) -> str:
        found = UNIT.search(" ".join(words))
        release = found[1] if found else ""
        link = self.config.wanted_units / f"saudacao@{release}.service"
        if words[:2] == ["nft", "list"]:
            return self.config.map_file.read_text() if self.config.map_file.exists() else ""
        if words[1] == "show":
            return self._show(words, release)
        if words[1] == "enable":
            link.touch()
        elif words[1] == "disable":
            link.unlink(missing_ok=True)
        elif words[1] in {"start", "stop"} and release:
            self.states[release] = {"start": "active", "stop": "inactive"}[words[1]]
        return "running"

    def _show(self, words: list[str], release: str) -> str:
        if release == "*":
            blocks = [f"Id=saudacao@{name}.service\nActiveState={state}" for name, state in
                      self.states.items()]  # fmt: skip
            return "\n\n".join(blocks)
        return self.states.get(release, "inactive") if "ActiveState" in words[3] else "no"


def _note(words: list[str]) -> str:
    """Shorten a command that changes something to what the tests compare."""
    if "--address" in words:
        return f"check {words[words.index('--address') + 1].rpartition(':')[2]}"
    if words[0] == "nft" and words[1] != "list":
        return "nft check" if words[1] == "--check" else "nft load"
    found = UNIT.search(words[-1])
    if words[0] != "systemctl" or found is None or words[1] in {"show", "reset-failed"}:
        return ""
    signals = [word[len("--signal=") :] for word in words if word.startswith("--signal=")]
    return f"{signals[0] if signals else words[1]} {found[1]}"
