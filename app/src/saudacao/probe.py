"""Calls the greeter, once or under load, and compares every reply with what was sent."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import grpc

from saudacao.client import Config, connect, explain
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc


@dataclass(frozen=True)
class Plan:
    """How to call: the first of `count` and `duration` (seconds) to be reached ends it.

    `rate` is in calls per second over all threads (None: as fast as replies come), `timeout` in
    seconds for each call. `fresh` makes a connection for each call, else each thread keeps one.
    """

    count: int | None
    duration: float | None = None
    concurrency: int = 1
    rate: float | None = None
    fresh: bool = False
    timeout: float = 10.0


@dataclass(frozen=True)
class Call:
    """One call and what came of it."""

    request_id: str
    name: str
    status: str
    seconds: float
    reply: str | None = None
    release: str | None = None
    failure: str | None = None

    @property
    def wrong(self) -> bool:
        """Whether there is a reply, and it is not the greeting of the name."""
        return self.reply is not None and self.reply != f"Olá, {self.name}!"

    @property
    def problem(self) -> str | None:
        """What happened, why, and what to check; None when all is well."""
        if self.wrong:
            return (
                f"the reply to {self.name!r} is {self.reply!r}, which is not its greeting; check "
                f"the server's release ({self.release}) under the request id {self.request_id}"
            )
        return self.failure


class Probe:
    """Calls by a plan; `report` gets each call, from several threads."""

    def __init__(
        self, config: Config, plan: Plan, names: Iterator[str], report: Callable[[Call], None]
    ) -> None:
        self._config = config
        self._plan = plan
        self._names = names
        self._report = report
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._choosing = threading.Lock()
        self._stopped = threading.Event()
        self._started = 0.0

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Begin no more calls; those begun get their replies."""
        self._stopped.set()

    def run(self) -> float:
        """Call until the plan is fulfilled or stop(); return the seconds that it took."""
        self._started = time.monotonic()
        threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(self._plan.concurrency)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - self._started

    def _work(self) -> None:
        channel = None if self._plan.fresh else connect(self._config, own_connection=True)
        while (chosen := self._choose()) is not None:
            number, name = chosen
            if channel is not None:
                self._report(self._call(channel, number, name))
            else:
                with connect(self._config, own_connection=True) as fresh:
                    self._report(self._call(fresh, number, name))
        if channel is not None:
            channel.close()

    def _choose(self) -> tuple[int, str] | None:
        """Take the next number and name, when their time has come; None at the plan's end."""
        with self._choosing:
            number = next(self._numbers)
            if self._plan.count is not None and number >= self._plan.count:
                return None
            name = next(self._names)
        due = self._started + (number / self._plan.rate if self._plan.rate else 0)
        end = self._started + self._plan.duration if self._plan.duration else None
        if end is not None and max(due, time.monotonic()) >= end:
            return None
        if self._stopped.wait(max(0, due - time.monotonic())):
            return None
        return number, name

    def _call(self, channel: grpc.Channel, number: int, name: str) -> Call:
        request_id = f"{self._run}-{number}"
        stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
        started = time.monotonic()
        try:
            reply, call = stub.Saudar.with_call(
                saudacao_pb2.Mensagem(nome=name),
                timeout=self._plan.timeout,
                metadata=(("x-request-id", request_id),),
            )
        except grpc.RpcError as error:
            seconds = time.monotonic() - started
            reason = explain(error, self._config)
            return Call(request_id, name, error.code().name, seconds, failure=reason)
        seconds = time.monotonic() - started
        release = _value(call.trailing_metadata(), "x-release")
        return Call(request_id, name, "OK", seconds, reply.texto, release)


def _value(metadata: Iterable[tuple[str, str | bytes]] | None, wanted: str) -> str | None:
    for key, value in metadata or ():
        if key == wanted:
            return str(value)
    return None
