"""saudacao-client and the signals that end it."""

import ctypes
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from saudacao import greeter
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

from tests.app.conftest import Serve
from tests.app.pki import Authority
from tests.app.running import COMMAND, write_config


class Holding(greeter.Greeter):
    """Answers when it may, and tells when it was called."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.may_answer = threading.Event()

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        self.called.set()
        self.may_answer.wait(60)
        return super().Saudar(request, context)


@pytest.fixture
def holding(start: Serve, authority: Authority, tmp_path: Path) -> Iterator[Holding]:
    """The greeter that is served."""
    holding = Holding()

    def register(server: grpc.Server) -> tuple[str, ...]:
        saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(holding, server)
        return ()

    write_config(tmp_path, start(register, tls_directory=authority.folder).port)
    yield holding
    holding.may_answer.set()


@pytest.fixture
def client(holding: Holding, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The client in its first call, with more to come than any test waits for."""
    command = [str(COMMAND), "--json", "--duration", "600", "--rate", "20", "--timeout", "60"]
    client = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert holding.called.wait(30)
        yield client
    finally:
        client.kill()
        client.communicate()


def catching(task: int) -> bool:
    """Tell whether the task handles SIGTERM and does not block it."""
    status = Path(f"/proc/{task}/status").read_text()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    caught, blocked = (
        int(masks[name], 16) >> (signal.SIGTERM - 1) for name in ("SigCgt", "SigBlk")
    )
    return bool(caught & ~blocked & 1)


def threads(pid: int) -> list[int]:
    """Return the process's other threads that a signal may reach."""
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    return [task for task in tasks if task != pid and catching(task)]


def test_calls_that_have_begun_get_their_replies(
    client: subprocess.Popen[str], holding: Holding
) -> None:
    client.send_signal(signal.SIGINT)
    holding.may_answer.set()
    summary = json.loads(client.communicate(timeout=30)[0])
    assert summary["interrupted"] is True
    assert (list(summary["by_status"]), client.returncode) == (["OK"], 0)


def test_a_signal_that_reaches_another_thread_ends_it_as_soon(
    client: subprocess.Popen[str], holding: Holding
) -> None:
    holding.may_answer.set()
    ctypes.CDLL(None).tgkill(client.pid, threads(client.pid)[-1], signal.SIGTERM)
    assert json.loads(client.communicate(timeout=30)[0])["interrupted"] is True


def test_a_second_signal_ends_the_process_at_once(client: subprocess.Popen[str]) -> None:
    client.send_signal(signal.SIGINT)
    client.send_signal(signal.SIGTERM)
    assert client.wait(timeout=30) == 128 + signal.SIGTERM
