"""Calls the bench's service with grpcio until SIGTERM: `python -m bench.upgrade.caller PLAN`.

PLAN is JSON with the keys of `Plan`. Channels have no options but the name that the certificate
is for and a connection of their own. Each call is a line on standard output, a JSON list: kind,
beginning (seconds since 1970), seconds, seconds that the call asked the server to wait, status,
details of the status.
"""

import itertools
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
from saudacao.v1 import saudacao_pb2

# Calls of one kind at a time: those that wait, those that a switch delays, and some more.
THREADS = 48
RANDOM = secrets.SystemRandom()


@dataclass(frozen=True)
class Plan:
    """Where and how to call; `persistent` and `fresh` are calls a second."""

    endpoint: str
    server_name: str
    ca_file: str
    certificate_file: str
    key_file: str
    proto: str
    method: str
    slow_method: str
    slow_share: float
    persistent: float
    fresh: float
    connections: int
    timeout: float


class Caller:
    """Calls by a plan until stop()."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        files = (plan.ca_file, plan.key_file, plan.certificate_file)
        self._credentials = grpc.ssl_channel_credentials(*(Path(f).read_bytes() for f in files))
        self._numbers = itertools.count()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no more calls."""
        self._stopped.set()

    def fresh(self) -> None:
        """Call over a new connection each time."""

        def call() -> None:
            with self._connect() as channel:
                self._call("fresh", channel)

        self._every(self._plan.fresh, call)

    def persistent(self) -> None:
        """Call over connections that are kept."""
        kept = itertools.cycle([self._connect() for _ in range(self._plan.connections)])
        self._every(self._plan.persistent, lambda: self._call("persistent", next(kept)))

    def _every(self, rate: float, call: Callable[[], None]) -> None:
        """Call `rate` times a second, at a random moment of each turn, whatever has not ended."""
        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as threads:
            for turn in itertools.count():
                due = started + (turn + RANDOM.random()) / rate
                if self._stopped.wait(max(0, due - time.monotonic())):
                    return
                threads.submit(call)

    def _connect(self) -> grpc.Channel:
        options = [
            ("grpc.ssl_target_name_override", self._plan.server_name),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        return grpc.secure_channel(self._plan.endpoint, self._credentials, options)

    def _call(self, kind: str, channel: grpc.Channel) -> None:
        plan = self._plan
        wait = round(RANDOM.uniform(0, 2), 3) if RANDOM.random() < plan.slow_share else 0
        name = str(wait) if wait else f"py {next(self._numbers)}"
        saudar = channel.unary_unary(
            plan.slow_method if wait else plan.method,
            saudacao_pb2.Mensagem.SerializeToString,
            saudacao_pb2.Resposta.FromString,
        )
        status, details = "OK", ""
        began, started = time.time(), time.monotonic()
        try:
            reply = saudar(saudacao_pb2.Mensagem(nome=name), timeout=plan.timeout)
        except grpc.RpcError as error:
            status, details = error.code().name, error.details() or ""
        else:
            if reply.texto != f"Olá, {name}!":
                status, details = "WRONG", reply.texto
        seconds = time.monotonic() - started
        line = json.dumps([f"py {kind}", began, seconds, wait, status, details]) + "\n"
        os.write(sys.stdout.fileno(), line.encode())


def main() -> None:
    """Call until SIGTERM, then wait for the calls that have begun."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    caller = Caller(Plan(**json.loads(sys.argv[1])))
    kinds = [threading.Thread(target=kind) for kind in (caller.persistent, caller.fresh)]
    for kind in kinds:
        kind.start()
    signal.sigwait({signal.SIGTERM})
    caller.stop()
    for kind in kinds:
        kind.join()


if __name__ == "__main__":
    main()
