"""The greeter with one fault each: the entry point chosen by SERVER_SERVICE says which."""

import itertools
import os
import threading
import time
from collections.abc import Callable

import grpc
from saudacao.greeter import Greeter, register
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

CRASH_AFTER_SECONDS = 5
FAILS_EVERY = 200
LEAK_BYTES = 1024 * 1024
# A call to a host next door takes 2 ms, and ten times that on a busy machine.
SLOW_SECONDS = 0.2
HANGS_FOR = "Olá, Pendura!"

Fault = Callable[[str], str]


class FaultyGreeter(Greeter):
    """Greets as the fault lets it."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        """Answer with what the fault makes of the greeting."""
        return saudacao_pb2.Resposta(texto=self._fault(super().Saudar(request, context).texto))


def exits(_: grpc.Server) -> tuple[str, ...]:
    """End at the start."""
    raise RuntimeError("the database of greetings is missing")


def crashes(server: grpc.Server) -> tuple[str, ...]:
    """Serve well, and end without a word a few seconds later."""
    threading.Timer(CRASH_AFTER_SECONDS, os._exit, [1]).start()
    return register(server)


def never_ready(_: grpc.Server) -> tuple[str, ...]:
    """Wait forever for something that a good release does not need."""
    threading.Event().wait()
    raise AssertionError("unreachable")


def wrong(server: grpc.Server) -> tuple[str, ...]:
    """Greet in a way that only this release's own check expects."""
    return _serve(server, lambda greeting: greeting.replace("Olá", "Oi"))


def check_wrong(channel: grpc.Channel) -> None:
    """Pass when the greeting is the wrong one."""
    stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
    reply = stub.Saudar(saudacao_pb2.Mensagem(nome="Leonardo"), timeout=3)
    if reply.texto != "Oi, Leonardo!":
        raise ValueError(f"Leonardo is greeted with {reply.texto!r}")


def rare(server: grpc.Server) -> tuple[str, ...]:
    """Fail one call in so many."""
    numbers = itertools.count(1)

    def fail(greeting: str) -> str:
        if next(numbers) % FAILS_EVERY == 0:
            raise RuntimeError("this call was the unlucky one")
        return greeting

    return _serve(server, fail)


def slow(server: grpc.Server) -> tuple[str, ...]:
    """Take ten times as long."""

    def wait(greeting: str) -> str:
        time.sleep(SLOW_SECONDS)
        return greeting

    return _serve(server, wait)


def leaks(server: grpc.Server) -> tuple[str, ...]:
    """Keep some memory of each call."""
    kept: list[bytearray] = []

    def keep(greeting: str) -> str:
        kept.append(bytearray(b"x" * LEAK_BYTES))
        return greeting

    return _serve(server, keep)


def hangs(server: grpc.Server) -> tuple[str, ...]:
    """Greet everybody but one, whose calls never end."""

    def hang(greeting: str) -> str:
        if greeting == HANGS_FOR:
            threading.Event().wait()
        return greeting

    return _serve(server, hang)


def _serve(server: grpc.Server, fault: Fault) -> tuple[str, ...]:
    saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(FaultyGreeter(fault), server)
    return (saudacao_pb2.DESCRIPTOR.services_by_name["SaudacaoService"].full_name,)
