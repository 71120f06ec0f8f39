"""Calls the greeter, once or under load, and compares every reply with what was sent."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc

from saudacao.client import Config, connect, explain, read_credentials
from saudacao.connection import REQUEST_ID
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

# A mixed plan makes a connection for so many calls. A new release gets them from the first moment,
# while lasting connections stay with the one before for a while; and calls over a connection that
# is open show how quick a handler is, which a handshake hides.
CALLS_A_CONNECTION = 5


# Seconds after which a call's turn has been missed, as when every call waits for its deadline.
MISSED = 5.0


@dataclass(frozen=True)
class Plan:
    """How to call: the first of `count` and `duration` (seconds) to be reached ends it.

    `rate` is in calls per second over all threads (None: as fast as replies come), `timeout` in
    seconds for each call. `fresh` makes a connection for each call, else each thread keeps one;
    `mixed` has every second thread make one for every few calls. `stop_on_failure` ends it too.
    With neither `count` nor `duration` only stop() ends it, and turns that were missed are not
    made up for. `robust` has the client do what it can before a call counts as failed.
    """

    count: int | None
    duration: float | None = None
    concurrency: int = 1
    rate: float | None = None
    fresh: bool = False
    timeout: float = 10.0
    mixed: bool = False
    stop_on_failure: bool = False
    robust: bool = False
    calls_a_connection: int = CALLS_A_CONNECTION

    @property
    def endless(self) -> bool:
        """Whether nothing but stop() ends it."""
        return self.count is None and self.duration is None


@dataclass(frozen=True)
class Call:
    """One call and what came of it; `began` is in seconds since 1970.

    `release` is the one that answered, also with a failure; None when nothing answered.
    """

    request_id: str
    name: str
    fresh: bool
    began: float
    status: str = "OK"
    seconds: float = 0.0
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
    """Calls by a plan; `report` gets each call, from several threads.

    Raises ConfigError when a file of the configuration cannot be read.
    """

    def __init__(
        self, config: Config, plan: Plan, names: Iterator[str], report: Callable[[Call], None]
    ) -> None:
        self._config = config
        self._plan = plan
        self._names = names
        self._report = report
        # Read once: files that change while it calls may not fit each other for a moment.
        self._credentials = read_credentials(config)
        self._random = secrets.SystemRandom()
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._choosing = threading.Lock()
        self._ending = threading.Event()
        self._started = 0.0

    def stop(self) -> None:
        """Begin no more calls; those begun get their replies."""
        self._ending.set()

    def run(self) -> float:
        """Call until the plan is fulfilled or stop(); return the seconds that it took."""
        self._started = time.monotonic()
        plan = self._plan
        kinds = [plan.fresh or (plan.mixed and index % 2 == 1) for index in range(plan.concurrency)]
        threads = [threading.Thread(target=self._work, args=[kind], daemon=True) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - self._started

    def _work(self, fresh: bool) -> None:
        turns = iter(self._choose, None)
        again = (self._plan.calls_a_connection - 1 if self._plan.mixed else 0) if fresh else None
        for turn in turns:
            with self._connect() as channel:
                self._call(channel, *turn, fresh=fresh)
                for next_turn in itertools.islice(turns, again):
                    self._call(channel, *next_turn, fresh=False)

    def _connect(self) -> grpc.Channel:
        return connect(
            self._config,
            own_connection=True,
            robust=self._plan.robust,
            credentials=self._credentials,
        )

    def _choose(self) -> tuple[int, str] | None:
        """Take the next number and name, when their time has come; None at the plan's end."""
        with self._choosing:
            number = next(self._numbers)
            if self._plan.count is not None and number >= self._plan.count:
                return None
            name = next(self._names)
            due = self._started + self._offset(number)
            if self._plan.endless and (late := time.monotonic() - due) > MISSED:
                self._started += late
        end = self._started + self._plan.duration if self._plan.duration else None
        if end is not None and max(due, time.monotonic()) >= end:
            return None
        if self._ending.wait(max(0, due - time.monotonic())):
            return None
        return number, name

    def _offset(self, number: int) -> float:
        """Return a moment of the call's turn, in seconds from the start.

        Regular callers could share out a server's calls among them so that one of them never
        gets the bad ones.
        """
        if self._plan.rate is None:
            return 0
        return (number + self._random.random()) / self._plan.rate

    def _call(self, channel: grpc.Channel, number: int, name: str, *, fresh: bool) -> None:
        call = self._make(channel, Call(f"{self._run}-{number}", name, fresh, time.time()))
        self._report(call)
        if self._plan.stop_on_failure and call.problem:
            self.stop()

    def _make(self, channel: grpc.Channel, call: Call) -> Call:
        stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
        started = time.monotonic()
        try:
            reply, ended = stub.Saudar.with_call(
                saudacao_pb2.Mensagem(nome=call.name),
                timeout=self._plan.timeout,
                metadata=((REQUEST_ID, call.request_id),),
            )
        except grpc.RpcError as error:
            return replace(
                call,
                status=error.code().name,
                seconds=time.monotonic() - started,
                release=_release(error.trailing_metadata()),
                failure=explain(error, self._config, call.request_id),
            )
        seconds = time.monotonic() - started
        release = _release(ended.trailing_metadata())
        return replace(call, seconds=seconds, reply=reply.texto, release=release)


def _release(metadata: Iterable[Any] | None) -> str | None:
    return next((str(value) for key, value in metadata or () if key == "x-release"), None)
