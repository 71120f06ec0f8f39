"""What the health service tells its callers."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from h2.connection import H2Connection
from h2.settings import SettingCodes
from saudacao.health import WATCHING_THREADS

from tests.app.conftest import Serve
from tests.app.running import until

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


def test_watchers_that_come_and_go_hold_up_nobody(start: Serve) -> None:
    server = start()
    request = health_pb2.HealthCheckRequest()

    def come_and_go(_: int) -> None:
        with server.channel() as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch
            for _ in range(50):
                watcher: Any = watch(request, timeout=10)
                assert next(watcher).status == SERVING
                watcher.cancel()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    with server.channel() as channel:
        assert check(channel, "") == SERVING


def watch_without_reading(port: int) -> socket.socket:
    """Watch, and let no byte of an answer through."""
    connection = H2Connection()
    connection.initiate_connection()
    connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    method = [(":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Watch")]
    kind = [("content-type", "application/grpc"), ("te", "trailers")]
    connection.send_headers(1, [*method, (":authority", "localhost"), *kind])
    connection.send_data(1, bytes(5), end_stream=True)
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(connection.data_to_send())
    return peer


def test_watchers_that_read_nothing_hold_up_neither_checks_nor_changes(start: Serve) -> None:
    server = start()
    watching = server.parts.health.watch.experimental_thread_pool
    with ExitStack() as peers, server.channel() as channel:
        for _ in range(WATCHING_THREADS + 1):
            peers.enter_context(watch_without_reading(server.port))
        until(lambda: watching._work_queue.qsize() == 1)
        assert check(channel, "") == SERVING
        server.parts.health.announce(serving=False)
        assert check(channel, "") == NOT_SERVING
