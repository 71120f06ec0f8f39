"""What the server's parts cost: it and a bare gRPC server with the same greeter, side by side.

Run it from the repository's root: `python -m bench.server [ROUNDS]`. Each server runs at the same
time as a bare one, and callers call them in turns, so that what else the machine does slows both
alike; a bare server beside a bare one shows what is left of that. It prints, for each server, the
median of the rounds: milliseconds from the start to the first answer, memory (MiB, PSS),
microseconds of CPU for a call, and how many calls it makes with the CPU that one takes of the bare
server beside it. All that a deployed server does is on, and its figures are read now and then. The
exit code is 1 when the server without TLS has less than LEAST of the bare one's calls.
"""

import itertools
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from saudacao.client import Config, connect
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

from tests.app.pki import Authority

WARM_SECONDS = 1.0
SECONDS = 5.0
# Three times as often as Prometheus is usually told to. For it, the kernel takes 9 ms on a machine
# of 24 GiB to go through its table of sockets.
READING_SECONDS = 5.0
LEAST = 0.92
CONCURRENCY = 16
MESSAGE = saudacao_pb2.Mensagem(nome="Leonardo")

BARE = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

class Greeter(saudacao_pb2_grpc.SaudacaoServiceServicer):
    def Saudar(self, request, context):
        return saudacao_pb2.Resposta(texto=f"Olá, {request.nome}!")

server = grpc.server(ThreadPoolExecutor(64))
saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(Greeter(), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
"""


@dataclass(frozen=True)
class Figures:
    """One round of one server."""

    start_ms: float
    memory_mib: float
    call_us: float


@dataclass(frozen=True)
class Server:
    """A server that has answered."""

    pid: int
    config: Config
    start_ms: float

    def cpu(self) -> float:
        """Return the seconds for which its threads have run."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> float:
        """Return its memory in MiB; what processes share counts in parts."""
        rows = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        (pss,) = (int(row.split()[1]) for row in rows if row.startswith("Pss:"))
        return pss / 1024


def main() -> int:
    """Measure each server beside a bare one, print the medians, and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    bare = [sys.executable, "-c", BARE]
    full = [sys.executable, "-m", "saudacao.server"]
    with tempfile.TemporaryDirectory() as folder:
        tls = Authority(Path(folder))
        kinds: dict[str, Callable[[], AbstractContextManager[Server]]] = {
            "bare": lambda: _serving(bare, None, None),
            "full": lambda: _serving(full, {"SERVER_PLAINTEXT": "true"}, None),
            "full, mTLS": lambda: _serving(full, {"SERVER_TLS_DIRECTORY": folder}, tls),
        }
        found: dict[str, list[tuple[Figures, Figures]]] = {kind: [] for kind in kinds}
        for _, (kind, serving) in itertools.product(range(rounds), kinds.items()):
            with _serving(bare, None, None) as base, serving() as server:
                found[kind].append(_measure(base, server))
    ratios = {kind: _ratio(pairs) for kind, pairs in found.items()}
    for kind, pairs in found.items():
        start = median(each.start_ms for _, each in pairs)
        memory = median(each.memory_mib for _, each in pairs)
        call = median(each.call_us for _, each in pairs)
        sys.stdout.write(
            f"{kind:12} start {start:4.0f} ms  memory {memory:4.1f} MiB  "
            f"{call:4.0f} us a call  {ratios[kind]:.3f}\n"
        )
    return int(ratios["full"] < LEAST)


def _ratio(pairs: list[tuple[Figures, Figures]]) -> float:
    return median(base.call_us / one.call_us for base, one in pairs)


@contextmanager
def _serving(
    command: list[str], settings: dict[str, str] | None, tls: Authority | None
) -> Iterator[Server]:
    """Start a server; one with settings has its figures read until the block ends."""
    port, figures_port = _free_port(), _free_port()
    config = tls.config(port) if tls else Config(f"127.0.0.1:{port}", "")
    own = {"SERVER_PORT": str(port), "READINESS_PORT": str(figures_port)}
    environment = os.environ | (settings or {}) | own
    # A pipe with a reader, as the journal is: a file or /dev/null would flatter the log.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as journal:
        started = time.monotonic()
        with subprocess.Popen(
            [*command, str(port)], env=environment, stderr=journal.stdin
        ) as server:
            try:
                _await(port)
                with connect(config, own_connection=True) as channel:
                    saudacao_pb2_grpc.SaudacaoServiceStub(channel).Saudar(MESSAGE, timeout=20)
                start_ms = (time.monotonic() - started) * 1000
                with _reading(figures_port if settings else None):
                    yield Server(server.pid, config, start_ms)
            finally:
                server.kill()
                journal.kill()


def _measure(*servers: Server) -> tuple[Figures, Figures]:
    """Call two servers in turns for WARM_SECONDS, then for SECONDS that count."""
    ended = threading.Event()
    turns = [0] * CONCURRENCY

    def work(caller: int) -> None:
        with ExitStack() as stack:
            channels = [
                stack.enter_context(connect(each.config, own_connection=True)) for each in servers
            ]
            greets = [saudacao_pb2_grpc.SaudacaoServiceStub(each).Saudar for each in channels]
            # Half of the callers begin with the one, half with the other.
            while not ended.is_set():
                for greet in greets[:: 1 if caller % 2 else -1]:
                    greet(MESSAGE, timeout=20)
                turns[caller] += 1

    with futures.ThreadPoolExecutor(CONCURRENCY) as threads:
        working = [threads.submit(work, caller) for caller in range(CONCURRENCY)]
        time.sleep(WARM_SECONDS)
        before, began = [each.cpu() for each in servers], sum(turns)
        time.sleep(SECONDS)
        used = [each.cpu() - cpu for each, cpu in zip(servers, before, strict=True)]
        calls = sum(turns) - began
        ended.set()
        for each in working:
            each.result()
    one, other = (
        Figures(each.start_ms, each.memory(), cpu / calls * 1e6)
        for each, cpu in zip(servers, used, strict=True)
    )
    return one, other


def _await(port: int) -> None:
    """Knock until the port answers: gRPC itself would pause for a second after a refusal."""
    while True:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)


@contextmanager
def _reading(port: int | None) -> Iterator[None]:
    """Read the figures at `port`, if any, every READING_SECONDS until the block ends."""
    ended = threading.Event()

    def read() -> None:
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                reply.read()
            if ended.wait(READING_SECONDS):
                return

    with futures.ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read) if port else None
        try:
            yield
        finally:
            ended.set()
        if reading:
            reading.result()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
