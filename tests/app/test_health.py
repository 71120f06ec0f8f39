"""What the health service tells its callers."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.app.conftest import Serve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def check(channel: Any, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


@pytest.mark.parametrize("service", ["", "saudacao.v1.SaudacaoService", "SaudacaoService"])
def test_each_service_serves_and_stops_serving_with_the_server(start: Serve, service: str) -> None:
    server = start()
    with server.channel() as channel:
        assert check(channel, service) == SERVING
        server.parts.health.announce(serving=False)
        assert check(channel, service) == NOT_SERVING


def test_an_unknown_service_is_not_found(start: Serve) -> None:
    with start().channel() as channel, pytest.raises(grpc.RpcError) as caught:
        check(channel, "none.Such")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_watchers_learn_of_a_change(start: Serve) -> None:
    server = start(max_workers=1, max_queue=0)
    with server.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        replies: Any = watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(replies).status == SERVING
        server.parts.health.announce(serving=False)
        assert next(replies).status == NOT_SERVING


def test_a_hundred_watchers_take_no_worker(start: Serve) -> None:
    server = start(max_workers=1, max_queue=0)
    with server.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        watchers: list[Any] = [watch(health_pb2.HealthCheckRequest()) for _ in range(100)]
        assert {next(watcher).status for watcher in watchers} == {SERVING}
        assert server.parts.workers.held == 0
