"""What the figures were measured on."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.upgrade.deployment import Host
from bench.upgrade.load import NODE_FOLDER
from tests.conftest import ROOT

MEBI = 1024


def describe(host: Host, rate: float) -> dict[str, str]:
    """Return facts by name."""
    package = json.loads((NODE_FOLDER / "node_modules/@grpc/grpc-js/package.json").read_text())
    node = _first_line("node", "--version").removeprefix("v")
    systemd = host.run("systemctl --version").split()[1]
    python = f"Python {platform.python_version()}, grpcio {version('grpcio')}"
    commit = _first_line("git", "rev-parse", "--short", "HEAD")
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}",
        "Machine": f"{hardware()}; the host and all clients share them",
        "Versions": f"{python}, Node {node}, @grpc/grpc-js {package['version']}, systemd {systemd}",
        "Load": f"{rate:g} calls a second",
    }


def hardware() -> str:
    """Return processor, cores, memory and kernel in a few words."""
    kernel = platform.release().split("-")[0]
    return f"{_cpu()}, {os.cpu_count()} cores, {_memory()} GiB, Linux {kernel}"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> int:
    kibibytes = int(Path("/proc/meminfo").read_text().split()[1])
    return round(kibibytes / MEBI**2)


def _first_line(*command: str) -> str:
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return printed.splitlines()[0]
