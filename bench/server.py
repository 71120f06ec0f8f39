"""What the server's parts cost: it and a bare gRPC server with the same greeter, in turns.

Run it from the repository's root: `python -m bench.server [ROUNDS]`. It prints, for each server,
the median of the rounds: milliseconds from the start to the first answer, memory (MiB, PSS), calls
a CPU-second of the server, and the ratio of that to the bare server's in the same round. All that
a deployed server does is on, and its figures are read every second. The exit code is 1 when the
server without TLS has less than LEAST of the bare one's calls.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from saudacao.client import Config, connect
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

from tests.app.pki import Authority

SECONDS = 2.0
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
    calls_per_cpu_second: float


def main() -> int:
    """Measure in turns, print the medians, and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        tls = Authority(Path(folder))
        kinds = {
            "bare": ([sys.executable, "-c", BARE], {}),
            "full": ([sys.executable, "-m", "saudacao.server"], {"SERVER_PLAINTEXT": "true"}),
            "full, mTLS": (
                [sys.executable, "-m", "saudacao.server"],
                {"SERVER_TLS_DIRECTORY": folder},
            ),
        }
        found: dict[str, list[Figures]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, (command, settings) in kinds.items():
                found[kind].append(_round(command, settings, tls if "mTLS" in kind else None))
    ratios = {kind: _ratio(figures, found["bare"]) for kind, figures in found.items()}
    for kind, figures in found.items():
        speed = median(each.calls_per_cpu_second for each in figures)
        start = median(each.start_ms for each in figures)
        memory = median(each.memory_mib for each in figures)
        sys.stdout.write(
            f"{kind:12} start {start:4.0f} ms  memory {memory:4.1f} MiB  "
            f"{speed:5.0f} calls/CPU-s  {ratios[kind]:.3f}\n"
        )
    return int(ratios["full"] < LEAST)


def _ratio(figures: list[Figures], base: list[Figures]) -> float:
    """Return the median of the rounds' ratios: what slows a whole round down is not in it."""
    pairs = zip(figures, base, strict=True)
    return median(one.calls_per_cpu_second / other.calls_per_cpu_second for one, other in pairs)


def _round(command: list[str], settings: dict[str, str], tls: Authority | None) -> Figures:
    port = _free_port()
    config = tls.config(port) if tls else Config(f"127.0.0.1:{port}", "")
    figures_port = _free_port()
    own = {"SERVER_PORT": str(port), "READINESS_PORT": str(figures_port)}
    environment = os.environ | settings | own
    # A pipe with a reader, as the journal is: a file or /dev/null would flatter the log.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as journal:
        started = time.monotonic()
        with subprocess.Popen(
            [*command, str(port)], env=environment, stderr=journal.stdin
        ) as server:
            _await(port)
            with connect(config, own_connection=True) as channel:
                saudacao_pb2_grpc.SaudacaoServiceStub(channel).Saudar(MESSAGE, timeout=20)
            start_ms = (time.monotonic() - started) * 1000
            with _reading(figures_port if settings else None):
                speed = _load(config, server.pid)
            figures = Figures(start_ms, _memory(server.pid), speed)
            server.kill()
        journal.kill()
    return figures


def _await(port: int) -> None:
    """Knock until the port answers: gRPC itself would pause for a second after a refusal."""
    while True:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)


@contextmanager
def _reading(port: int | None) -> Iterator[None]:
    """Read the figures at `port`, if any, every second until the block ends."""
    ended = threading.Event()

    def read() -> None:
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                reply.read()
            if ended.wait(1.0):
                return

    with futures.ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read) if port else None
        try:
            yield
        finally:
            ended.set()
        if reading:
            reading.result()


def _load(config: Config, pid: int) -> float:
    before, end = _cpu(pid), time.monotonic() + SECONDS

    def work() -> int:
        calls = 0
        with connect(config, own_connection=True) as channel:
            greet = saudacao_pb2_grpc.SaudacaoServiceStub(channel).Saudar
            while time.monotonic() < end:
                greet(MESSAGE, timeout=20)
                calls += 1
        return calls

    with futures.ThreadPoolExecutor(CONCURRENCY) as threads:
        calls = sum(
            thread.result() for thread in [threads.submit(work) for _ in range(CONCURRENCY)]
        )
    return calls / (_cpu(pid) - before)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (pss,) = (int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return pss / 1024


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
