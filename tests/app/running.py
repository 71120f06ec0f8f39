"""Servers to call: in this process on port 0, or as a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saudacao import greeter
from saudacao.client import Config, connect
from saudacao.logs import Log
from saudacao.serving import Parts, create_server
from saudacao.settings import Settings
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc
    from saudacao.services import Register

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("saudacao-client")


def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Poll until `condition` holds; the test fails when it does not within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{condition} does not hold after {timeout} s"
        time.sleep(0.02)


def greet(channel: grpc.Channel, name: str = "Leonardo") -> str:
    stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
    return stub.Saudar(saudacao_pb2.Mensagem(nome=name), timeout=10).texto


def dial(config: Config) -> Any:
    """A channel with a connection of its own; Any, since grpc's stubs want serializers."""
    return connect(config, own_connection=True)


def write_config(folder: Path, port: int) -> Path:
    """Write the client.toml of a server here, beside its certificates in `tls`."""
    path = folder / ".deploy" / "local" / "client.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'endpoint = "127.0.0.1:{port}"\nserver_name = "trial.internal"\n'
        'ca_file = "../../tls/ca.crt"\ncertificate_file = "../../tls/server.crt"\n'
        'key_file = "../../tls/server.key"\n'
    )
    return path


class LogFile:
    """A server's log, read back."""

    def __init__(self, path: Path, flush: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._flush = flush

    @property
    def text(self) -> str:
        self._flush()
        return self.path.read_text("utf-8")

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        whole = self.text.rpartition("\n")[0]  # the last line may be half written
        found = [json.loads(line) for line in whole.splitlines()]
        return [line for line in found if event in (None, line["event"])]

    def calls(self, code: str) -> list[dict[str, Any]]:
        return [line for line in self.lines("call") if line["code"] == code]


class Noting(greeter.Greeter):
    """The greeter, which notes from where it is called."""

    def __init__(self) -> None:
        self.peers: set[str] = set()

    def register(self, server: grpc.Server) -> tuple[str, ...]:
        saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(self, server)
        return ("saudacao.v1.SaudacaoService",)

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        self.peers.add(context.peer())
        return super().Saudar(request, context)


class Running:
    """A started server in this process."""

    def __init__(self, parts: Parts, port: int, log: LogFile) -> None:
        self.parts = parts
        self.port = port
        self.log = log

    @property
    def plain(self) -> Config:
        return Config(f"127.0.0.1:{self.port}", "")

    def channel(self) -> Any:
        return dial(self.plain)


@contextmanager
def serve(
    folder: Path, register: Register = greeter.register, **settings: Any
) -> Iterator[Running]:
    """Serve on a free port; plaintext unless `tls_directory` is given."""
    chosen: dict[str, Any] = {
        "port": 0,
        "release": "r1",
        "plaintext": "tls_directory" not in settings,
    }
    path = folder / "server.log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    parts = Parts(Settings(**(chosen | settings)), Log("r1", descriptor))
    server, port = create_server(parts, register)
    server.start()
    parts.health.announce(serving=True)
    try:
        yield Running(parts, port, LogFile(path, parts.log.flush))
    finally:
        server.stop(0).wait()
        parts.log.close()
        os.close(descriptor)


class ServerProcess:
    """`python -m saudacao.server` with the trial service installed as the entry point "trial"."""

    def __init__(self, folder: Path, *wrapper: str, **settings: object) -> None:
        self.log = LogFile(folder / "process.log")
        readiness = settings.pop("readiness_port", None)
        chosen: dict[str, object] = {"plaintext": "tls_directory" not in settings}
        chosen |= {"port": 0, "service": "trial", "release": "r1"} | settings
        environment = os.environ | {
            f"SERVER_{key.upper()}": str(value) for key, value in chosen.items()
        }
        environment["PYTHONPATH"] = f"{ROOT}:{distribution(folder)}"
        if readiness is not None:
            environment["READINESS_PORT"] = str(readiness)
        command = [*wrapper, sys.executable, "-m", "saudacao.server"]
        with self.log.path.open("wb") as stderr:
            self.process = subprocess.Popen(command, env=environment, stderr=stderr, cwd=folder)

    def ready(self) -> int:
        """Wait for the server, and return its port."""
        until(lambda: self.log.lines("ready") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.text
        port: int = self.log.lines("ready")[0]["port"]
        return port

    def ended(self, timeout: float) -> int:
        """Return the exit code; the test fails when there is none within `timeout` seconds."""
        return self.process.wait(timeout)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def distribution(folder: Path) -> Path:
    """Make what pip makes of a distribution whose entry points are the trial service's."""
    site = folder / "site"
    facts = site / "trial-1.dist-info"
    facts.mkdir(parents=True, exist_ok=True)
    facts.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: trial\nVersion: 1\n")
    points = "[saudacao.services]\ntrial = tests.app.trial:register\n"
    points += "[saudacao.checks]\ntrial = tests.app.trial:check\n"
    facts.joinpath("entry_points.txt").write_text(points)
    return site
