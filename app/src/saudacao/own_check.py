"""Runs the check that a service brings for its own answers: its entry point in saudacao.checks.

It has the name of the service's entry point in saudacao.services, gets a channel to the server,
and raises an exception with the reason when an answer is wrong.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, NoReturn

import grpc

from saudacao.calls import RELEASE
from saudacao.handlers import UnaryClientInterceptor
from saudacao.variables import DEFAULT_SERVICE, PREFIX

GROUP = "saudacao.checks"


class OwnCheckError(Exception):
    """The service's own check did not pass; the text says why."""


def run(channel: grpc.Channel, seconds: float) -> None:
    """Run the check of the release whose settings the environment has; without one, do nothing.

    Raises OwnCheckError when it does not pass within `seconds`, or when another release than
    SERVER_RELEASE answers it; and grpc.RpcError as it is.
    """
    release = os.environ.get(f"{PREFIX}RELEASE")
    service = os.environ.get(f"{PREFIX}SERVICE") or (release and DEFAULT_SERVICE)
    replies = _Replies()
    try:
        for point in entry_points(group=GROUP, name=service or ""):
            with _limit(seconds):
                point.load()(grpc.intercept_channel(channel, replies))
    except grpc.RpcError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OwnCheckError(f"its service's own check says: {reason}") from error
    others = ", ".join(sorted(replies.releases - {release}))
    if release and others:
        raise OwnCheckError(f"release {others} answers there, not {release}")


class _Replies(UnaryClientInterceptor):
    """Notes which releases answer."""

    def __init__(self) -> None:
        self.releases: set[str] = set()

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        """Let the call through, and note the release in its reply."""
        call = continuation(client_call_details, request)
        metadata = call.trailing_metadata() or ()
        self.releases |= {str(value) for key, value in metadata if key == RELEASE}
        return call


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer, such as a call without a deadline, with a TimeoutError."""

    def interrupt(*_: object) -> NoReturn:
        raise TimeoutError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
