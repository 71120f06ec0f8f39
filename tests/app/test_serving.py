"""What a server is built of besides its service."""

from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.app.conftest import Serve
from tests.app.running import Noting, greet
from tests.app.trial import Trial


def listed(channel: Any) -> set[str]:
    """Ask by reflection for the services."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (reply,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    return {service.name for service in reply.list_services_response.service}


def test_reflection_lists_the_services_where_it_is_switched_on(start: Serve) -> None:
    with start(reflection=True).channel() as channel:
        assert listed(channel) == {
            "saudacao.v1.SaudacaoService",
            "SaudacaoService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


def test_reflection_describes_the_greeter(start: Serve) -> None:
    wanted = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="saudacao.v1.SaudacaoService"
    )
    with start(reflection=True).channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (reply,) = stub.ServerReflectionInfo(iter([wanted]), timeout=10)
    (file,) = reply.file_descriptor_response.file_descriptor_proto
    assert b"Mensagem" in file


def test_reflection_is_off_unless_asked_for(start: Serve) -> None:
    with start().channel() as channel, pytest.raises(grpc.RpcError) as caught:
        listed(channel)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_may_be_as_large_as_the_setting_says(start: Serve) -> None:
    server = start(Trial().register, max_message_bytes=2048)
    with server.channel() as channel:
        remark = channel.unary_unary("/trial.Trial/Remark")
        assert len(remark(b"x" * 2048, timeout=10)) == 2048
        with pytest.raises(grpc.RpcError) as caught:
            remark(b"x" * 2049, timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_connection_that_reaches_its_age_is_replaced_without_a_failure(start: Serve) -> None:
    greeter = Noting()
    server = start(greeter.register, max_connection_age=0.3)
    with server.channel() as channel:
        for _ in range(1500):
            assert greet(channel) == "Olá, Leonardo!"
    assert len(greeter.peers) > 1
