"""The log's lines, written to real pipes and sockets."""

import json
import logging
import os
import socket
import threading
import time

import pytest
from saudacao.logs import MOST_WAITING, STALLED_AFTER, Log, LogHandler


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


def test_a_line_is_one_json_object_with_time_level_event_and_release(
    pipe: tuple[int, int],
) -> None:
    Log("r9", pipe[1]).info("ready", port=5, text="Olá\n")
    line = os.read(pipe[0], 1000)
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "event": "ready",
        "release": "r9",
        "port": 5,
        "text": "Olá\n",
    }


def test_a_failure_carries_its_traceback_in_the_same_line(pipe: tuple[int, int]) -> None:
    Log("r9", pipe[1]).failure("call", ValueError("bad"))
    line = json.loads(os.read(pipe[0], 10_000))
    assert (line["level"], line["error"]) == ("error", "ValueError: bad")


def test_a_reader_that_takes_parts_gets_the_whole_line() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    log = Log("r9", ours.fileno())
    writer = threading.Thread(target=log.info, args=("big",), kwargs={"text": "x" * 500_000})
    writer.start()
    with theirs.makefile() as reader:
        assert len(json.loads(reader.readline())["text"]) == 500_000
    writer.join(timeout=10)
    assert not writer.is_alive()


def test_a_reader_that_takes_nothing_costs_the_line_and_not_the_server() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        writer = threading.Thread(
            target=Log("r9", ours.fileno()).info, args=("big",), kwargs={"text": "x" * 5_000_000}
        )
        writer.start()
        writer.join(timeout=10)
        assert not writer.is_alive()


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    Log("r9", pipe[1]).info("ready")


def test_text_that_is_no_unicode_is_still_logged(pipe: tuple[int, int]) -> None:
    Log("r9", pipe[1]).info("call", reason="\ud800")
    assert "ud800" in json.loads(os.read(pipe[0], 1000))["reason"]


def test_lines_of_many_threads_do_not_mix(pipe: tuple[int, int]) -> None:
    log = Log("r9", pipe[1])

    def write() -> None:
        for _ in range(50):
            log.info("call", text="y" * 900)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    with os.fdopen(pipe[0]) as reader:
        lines = [json.loads(reader.readline()) for _ in range(400)]
    assert {line["text"] for line in lines} == {"y" * 900}


def test_records_of_pythons_logging_become_lines(pipe: tuple[int, int]) -> None:
    logger = logging.Logger("library")
    logger.addHandler(LogHandler(Log("r9", pipe[1])))
    logger.warning("watch %s", "out")
    line = json.loads(os.read(pipe[0], 1000))
    assert (line["event"], line["level"]) == ("log", "warning")
    assert (line["logger"], line["message"]) == ("library", "watch out")


def line(**fields: object) -> dict[str, object]:
    return {"time": time.time(), "level": "info", "event": "call", "release": "r9", **fields}


def test_lines_that_may_wait_come_by_themselves_and_in_order(pipe: tuple[int, int]) -> None:
    log = Log("r9", pipe[1])
    for number in range(3):
        log.soon(line(number=number))
    with os.fdopen(pipe[0]) as reader:
        assert [json.loads(reader.readline())["number"] for _ in range(3)] == [0, 1, 2]


def test_a_line_that_may_not_wait_takes_those_before_it_along(pipe: tuple[int, int]) -> None:
    log = Log("r9", pipe[1])
    log.soon(line())
    log.warning("watch")
    events = [json.loads(line)["event"] for line in os.read(pipe[0], 1000).splitlines()]
    assert events == ["call", "watch"]


def test_lines_that_may_wait_cost_no_time_when_nobody_reads() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    log = Log("r9", ours.fileno())
    with theirs:
        begun = time.monotonic()
        for _ in range(MOST_WAITING):
            log.soon(line(text="x" * 1000))
        assert time.monotonic() - begun < STALLED_AFTER


def test_closing_writes_what_waits(pipe: tuple[int, int]) -> None:
    log = Log("r9", pipe[1])
    log.soon(line())
    log.close()
    os.set_blocking(pipe[0], False)
    assert json.loads(os.read(pipe[0], 1000))["event"] == "call"
