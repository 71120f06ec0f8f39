"""The threads that handle calls: each once, its end told once, and the number held is right."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from saudacao import workers as module
from saudacao.workers import Work, Workers

from tests.app.running import until

MANY = 2000


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_every_call_is_handled_once_and_its_end_is_told_once() -> None:
    """Whether the end comes before or after somebody asks to be told of it."""
    workers, handled, told = Workers(8, MANY), list[int](), list[Work]()
    works = []
    for number in range(MANY):
        work = workers.submit(handled.append, number)
        work.add_done_callback(told.append)
        works.append(work)
    until(lambda: len(told) == MANY)
    assert sorted(handled) == list(range(MANY))
    assert {id(work) for work in told} == {id(work) for work in works}
    assert workers.held == 0


def test_who_asks_after_the_end_is_told_at_once() -> None:
    work, told = Work(int, ()), list[Work]()
    work.finish()
    work.add_done_callback(told.append)
    assert told == [work]


def test_two_threads_tell_no_end_twice() -> None:
    """The one that has done the work, and the one that asks to be told at that moment."""
    told: list[int] = []
    with ThreadPoolExecutor(2) as two:
        for number in range(MANY):
            work, both = Work(int, ()), threading.Barrier(2)

            def finish(work: Work = work, both: threading.Barrier = both) -> None:
                both.wait()
                work.finish()

            def ask(
                work: Work = work, both: threading.Barrier = both, number: int = number
            ) -> None:
                both.wait()
                work.add_done_callback(lambda _: told.append(number))

            for future in [two.submit(finish), two.submit(ask)]:
                future.result()
    assert told == list(range(MANY))


def test_calls_are_held_until_their_end_and_no_more_threads_are_started_than_asked_for(
    gate: threading.Event,
) -> None:
    workers, threads = Workers(2, 1), set[str]()

    def wait() -> None:
        threads.add(threading.current_thread().name)
        gate.wait()

    for held in (1, 2, 3):
        assert not workers.full
        workers.submit(wait)
        assert workers.held == held
    assert workers.full
    until(lambda: len(threads) == 2)
    until(lambda: workers.stalled > 0.05)
    gate.set()
    until(lambda: workers.held == 0)
    assert workers.stalled == 0
    assert len(threads) == 2


def test_a_thread_that_the_system_refuses_costs_no_place(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    workers = Workers(2, 1)
    workers.submit(gate.wait)
    monkeypatch.setattr(module, "Thread", refused)
    with pytest.raises(RuntimeError, match="new thread"):
        workers.submit(gate.wait)
    assert workers.held == 2
    gate.set()
    until(lambda: workers.held == 0)


def test_an_error_is_logged_and_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    workers, told = Workers(1, 1), list[Work]()
    with caplog.at_level(logging.ERROR):
        workers.submit(lambda: 1 // 0).add_done_callback(told.append)
        workers.submit(lambda: None).add_done_callback(told.append)
        until(lambda: len(told) == 2)
    assert "ZeroDivisionError" in caplog.text
