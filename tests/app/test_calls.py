"""What every call gets, whatever its service: an id, the release, a log line, an honest status."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.app.conftest import Serve
from tests.app.running import Running, greet, until
from tests.app.trial import HIDDEN, Numbered, Trial


@pytest.fixture
def server(start: Serve) -> Running:
    return start(Trial().register)


@pytest.fixture
def channel(server: Running) -> Iterator[Any]:
    with server.channel() as channel:
        yield channel


def failure(call: object, *arguments: object) -> grpc.RpcError:
    assert callable(call)
    with pytest.raises(grpc.RpcError) as caught:
        list(call(*arguments, timeout=10))
    return caught.value


def sent(call: Any) -> dict[str, str | bytes]:
    return dict(call.trailing_metadata())


def test_a_reply_carries_the_callers_request_id_and_the_release(
    channel: Any, server: Running
) -> None:
    call = channel.unary_unary("/trial.Trial/Sleep")
    _, outcome = call.with_call(b"0", metadata=(("x-request-id", "mine-1.2_3"),))
    assert sent(outcome) == {"x-request-id": "mine-1.2_3", "x-release": "r1"}
    until(lambda: server.log.calls("OK"))
    line = server.log.calls("OK")[0]
    assert (line["request_id"], line["method"]) == ("mine-1.2_3", "/trial.Trial/Sleep")
    assert line["duration_ms"] >= 0


@pytest.mark.parametrize("strange", ["", "a b", "x" * 65, 'a"b', "../a"])
def test_a_strange_request_id_is_replaced(channel: Any, strange: str) -> None:
    call = channel.unary_unary("/trial.Trial/Sleep")
    _, outcome = call.with_call(b"0", metadata=(("x-request-id", strange),))
    assert str(sent(outcome)["x-request-id"]).isalnum()


@pytest.mark.parametrize("method", ["Fail", "Leave", "HalfFail", "Nothing"])
def test_an_exception_is_internal_and_its_reason_is_only_in_the_log(
    channel: Any, server: Running, method: str
) -> None:
    error = failure(channel.unary_unary(f"/trial.Trial/{method}"), b"")
    assert error.code() is grpc.StatusCode.INTERNAL
    identity = str(sent(error)["x-request-id"])
    assert identity in str(error.details())
    assert HIDDEN not in str(error.details())
    until(lambda: server.log.calls("INTERNAL"))
    line = server.log.calls("INTERNAL")[0]
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert (line["level"], line["request_id"]) == ("error", identity)
    assert "Traceback" in line["traceback"]


def test_an_exception_in_a_stream_of_replies_is_internal_after_the_first_ones(
    channel: Any, server: Running
) -> None:
    replies = channel.unary_stream("/trial.Trial/Count")(b"9", timeout=10)
    assert [next(replies), next(replies), next(replies)] == [b"1", b"2", b"3"]
    with pytest.raises(grpc.RpcError) as caught:
        next(replies)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert HIDDEN not in str(caught.value.details())
    until(lambda: HIDDEN in server.log.calls("INTERNAL")[0]["error"])


def test_an_exception_amid_a_stream_both_ways_is_internal(channel: Any) -> None:
    requests = iter([b"a", b"fail"])
    error = failure(channel.stream_stream("/trial.Trial/Echo"), requests)
    assert error.code() is grpc.StatusCode.INTERNAL


def test_streams_pass_unchanged(channel: Any) -> None:
    echo = channel.stream_stream("/trial.Trial/Echo")
    join = channel.stream_unary("/trial.Trial/Join")
    assert list(echo(iter([b"a", b"", b"c"]), timeout=10)) == [b"a", b"", b"c"]
    assert join(iter([b"a", b"b"]), timeout=10) == b"a+b"
    assert list(channel.unary_stream("/trial.Trial/Count")(b"2", timeout=10)) == [b"1", b"2"]


def test_a_status_that_a_handler_chose_stays_with_its_metadata(
    channel: Any, server: Running
) -> None:
    error = failure(channel.unary_unary("/trial.Trial/Abort"), b"")
    assert (error.code(), error.details()) == (
        grpc.StatusCode.NOT_FOUND,
        "there is no such thing",
    )
    assert sent(error)["x-own"] == "kept"
    until(lambda: server.log.calls("NOT_FOUND"))


def test_a_call_without_a_request_is_refused(channel: Any) -> None:
    error = failure(channel.stream_stream("/trial.Trial/Sleep"), iter([]))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_caller_that_leaves_a_stream_is_logged_as_cancelled(
    channel: Any, server: Running
) -> None:
    requests = iter([b"a"])
    replies = channel.stream_stream("/trial.Trial/Echo")(_endless(requests), timeout=10)
    assert next(replies) == b"a"
    replies.cancel()
    until(lambda: server.log.calls("CANCELLED"))
    until(lambda: server.parts.workers.held == 0)


def _endless(first: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from iter(lambda: b"x", None)


def test_a_service_may_have_a_handler_for_each_call(start: Serve) -> None:
    server = start(Numbered().register)
    with server.channel() as channel:
        say = channel.unary_unary("/any.Any/Say")
        assert [say(b"", timeout=10) for _ in range(3)] == [b"1", b"2", b"3"]
    until(lambda: len(server.log.calls("OK")) == 3)


def test_names_are_never_logged_but_how_long_they_are(start: Serve) -> None:
    server = start()
    with server.channel() as channel:
        greet(channel, "Fulana-de-Tal")
        failure(lambda **_: greet(channel, "Fulana-de-Tal\n"))
    until(lambda: len(server.log.lines("call")) == 2)
    assert "Fulana" not in server.log.text
    # A tag, a length, and 13 or 14 characters.
    assert [line["request_bytes"] for line in server.log.lines("call")] == [15, 16]
