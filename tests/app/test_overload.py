"""More calls than the server takes: refused at once, while health is answered and work goes on."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.app.conftest import Serve
from tests.app.running import Running, until
from tests.app.trial import SERVICE, Trial

CAPACITY = 3


@pytest.fixture
def trial() -> Iterator[Trial]:
    trial = Trial()
    yield trial
    trial.release.set()


@pytest.fixture
def server(start: Serve, trial: Trial) -> Running:
    return start(trial.register, max_workers=2, max_queue=1)


@pytest.fixture
def full(server: Running) -> Iterator[list[Any]]:
    """Calls that fill both workers and the queue."""
    with server.channel() as channel:
        block = channel.unary_unary("/trial.Trial/Block")
        calls = [block.future(b"%d" % number, timeout=30) for number in range(CAPACITY)]
        until(lambda: server.parts.workers.full)
        yield calls


def health(channel: Any, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


@pytest.mark.usefixtures("full")
def test_a_call_too_many_exhausts_a_resource_at_once_and_is_logged(server: Running) -> None:
    with server.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/trial.Trial/Remark")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "3 calls" in str(caught.value.details())
    until(lambda: server.log.calls("RESOURCE_EXHAUSTED"))
    assert server.log.calls("RESOURCE_EXHAUSTED")[0]["level"] == "warning"


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_answered_while_every_worker_is_busy(server: Running, service: str) -> None:
    with server.channel() as channel:
        assert health(channel, service) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.usefixtures("full")
def test_hundreds_of_refusals_leave_health_answering(server: Running) -> None:
    with server.channel() as channel:
        remark = channel.unary_unary("/trial.Trial/Remark")
        calls = [remark.future(b"", timeout=20) for _ in range(1000)]
        assert health(channel) == health_pb2.HealthCheckResponse.SERVING
        assert {call.exception().code() for call in calls} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_calls_that_were_taken_get_their_replies_and_make_room(
    server: Running, trial: Trial, full: list[Any]
) -> None:
    trial.release.set()
    assert [call.result(timeout=10) for call in full] == [b"0", b"1", b"2"]
    until(lambda: server.parts.workers.held == 0)
    with server.channel() as channel:
        assert channel.unary_unary("/trial.Trial/Remark")(b"ok", timeout=5) == b"ok"


def test_a_waiting_call_that_its_caller_cancels_gives_up_its_place(
    server: Running, trial: Trial, full: list[Any]
) -> None:
    for call in full:
        call.cancel()
    trial.release.set()
    until(lambda: server.parts.workers.held == 0)
