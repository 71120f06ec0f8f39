"""The load: the callers in Python and in Node, and the calls that they made."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tests.conftest import AS_TYPED, ROOT

TIMEOUT = 10.0
SLOW_SHARE = 0.03
# Parts of the rate: kept connections in Python and in Node, then fresh ones.
SHARES = {"py": (0.45, 0.08), "js": (0.40, 0.07)}
CONNECTIONS = {"py": 4, "js": 2}
NODE_CLIENT = Path(__file__).parent / "grpc-js"
NODE_FOLDER = ROOT / ".cache/bench-grpc-js"
START_SECONDS = 60
# Clients have machines of their own. Here they share the host's cores, and without precedence a
# latency would tell how long the client waited for one.
PRECEDENCE = -10


class Call(NamedTuple):
    """One call, as a caller wrote it down."""

    kind: str
    began: float
    seconds: float
    asked: float
    status: str
    details: str

    @property
    def excess(self) -> float:
        """Milliseconds that it took beside those that it asked the server to wait."""
        return (self.seconds - self.asked) * 1000


@dataclass
class Calls:
    """The calls of one load, once it has ended."""

    made: list[Call]


def install_node_client() -> None:
    """Install the locked packages of the Node client, in a folder that git ignores."""
    if shutil.which("npm") is None:
        raise RuntimeError("node and npm are needed: apt-get install nodejs npm")
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    for path in NODE_CLIENT.iterdir():
        shutil.copy(path, NODE_FOLDER)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=NODE_FOLDER, check=True, stdout=sys.stderr, timeout=300)


@contextmanager
def calling(client: dict[str, str], port: int, rate: float, folder: Path) -> Iterator[Calls]:
    """Call a port of the client's host all the time until the block ends."""
    endpoint = f"{client['endpoint'].partition(':')[0]}:{port}"
    calls, callers, files = Calls([]), [], []
    try:
        for language, command in _commands().items():
            path = folder / f"{language}-{time.monotonic_ns()}.jsonl"
            plan = json.dumps({**client, **_plan(language, rate), "endpoint": endpoint})
            with path.open("wb") as file:
                callers.append(_started([*AS_TYPED, *command, plan], file))
            files.append(path)
        _wait_for_calls(files)
        yield calls
    finally:
        for caller in callers:
            caller.send_signal(signal.SIGTERM)
        for caller in callers:
            _end(caller)
    lines = [line for path in files for line in path.read_text().splitlines()]
    calls.made.extend(Call(*json.loads(line)) for line in lines)


def _started(command: list[str], output: BinaryIO) -> "subprocess.Popen[bytes]":
    """Start a caller with precedence.

    Where the kernel groups the processes of a session (sched(7), autogroup), a process's nice
    value counts within its group only, so its group gets one too.
    """
    words = ["nice", "-n", str(PRECEDENCE), *command]
    process = subprocess.Popen(words, stdout=output, cwd=ROOT, start_new_session=True)
    group = Path(f"/proc/{process.pid}/autogroup")
    if group.exists():
        group.write_text(str(PRECEDENCE))
    return process


def _commands() -> dict[str, list[str]]:
    return {
        "py": [sys.executable, "-m", "bench.upgrade.caller"],
        "js": ["node", str(NODE_FOLDER / "caller.mjs")],
    }


def _plan(language: str, rate: float) -> dict[str, object]:
    persistent, fresh = SHARES[language]
    return {
        "proto": str(ROOT / "proto/saudacao/v1/saudacao.proto"),
        "method": "/saudacao.v1.SaudacaoService/Saudar",
        "slow_method": "/bench.SlowGreeter/Saudar",
        "slow_share": SLOW_SHARE,
        "persistent": persistent * rate,
        "fresh": fresh * rate,
        "connections": CONNECTIONS[language],
        "timeout": TIMEOUT,
    }


def _wait_for_calls(files: list[Path]) -> None:
    end = time.monotonic() + START_SECONDS
    while not all(path.stat().st_size for path in files):
        if time.monotonic() > end:
            raise RuntimeError(f"a caller made no call within {START_SECONDS} s")
        time.sleep(0.1)


def _end(caller: "subprocess.Popen[bytes]") -> None:
    try:
        code = caller.wait(timeout=TIMEOUT + 5)
    except subprocess.TimeoutExpired:
        os.kill(caller.pid, signal.SIGKILL)
        code = caller.wait()
    if code != 0:
        raise RuntimeError(f"a caller ended with {code}: its calls are not complete")
