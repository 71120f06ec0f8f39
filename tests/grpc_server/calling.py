"""The service's own client, calling all the time while a test does something to the host."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import AS_TYPED
from tests.grpc_server.host import wait_for

PORT = 50051
PROGRAM = Path(sys.executable).with_name("saudacao-client")


@dataclass
class Calls:
    """What the client counted, once the calling has ended."""

    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Calls made."""
        return sum(result["calls"] for result in self.results)

    @property
    def lost(self) -> list[dict[str, Any]]:
        """The first failure of each client that had a failed call or a wrong reply."""
        bad = [result for result in self.results if result["failed"] or result["wrong"]]
        return [{**result["by_status"], "first": result["first_failure"]} for result in bad]

    @property
    def releases(self) -> set[str]:
        """The releases that answered."""
        return {release for result in self.results for release in result["releases"]}


def call_once(config: Path) -> str:
    """Greet once; return the reply, or what the client said when the call failed."""
    command = [str(PROGRAM), "--config", str(config), "Leonardo"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or result.stderr.strip()


@contextmanager
def calling(config: Path, *, rate: int = 100, fresh_rate: int = 20) -> Iterator[Calls]:
    """Call from outside, over lasting and over fresh connections, until the block ends."""
    command = [*AS_TYPED, str(PROGRAM), f"--config={config}", "--json", "--duration=600"]
    calls, clients = Calls(), []
    try:
        for mode in (["--concurrency=4", f"--rate={rate}"], ["--fresh", f"--rate={fresh_rate}"]):
            before = _connections()
            words = [*command, *mode, "Leonardo"]
            client = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            clients.append(client)
            wait_for(partial(_obeys, client.pid), "the client handles SIGTERM", 30)
            wait_for(partial(_called, before), "the client calls", 30)
        yield calls
    finally:
        for client in clients:
            client.terminate()
        outputs = [client.communicate(timeout=30)[0] for client in clients]
    calls.results.extend(json.loads(output) for output in outputs)


def _obeys(pid: int) -> bool:
    """Tell whether the process handles SIGTERM: one that comes earlier would lose its report."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _called(before: set[str]) -> bool:
    return bool(_connections() - before)


def _connections() -> set[str]:
    """Return the local addresses from which this machine has called, or calls, a service."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    lines = [line for table in tables for line in table.read_text().splitlines()[1:]]
    rows = [line.split() for line in lines]
    return {row[1] for row in rows if row[2].endswith(f":{PORT:04X}")}
