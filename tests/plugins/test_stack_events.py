"""An operation is followed to its end, and its first failure is found."""

from __future__ import annotations

import pytest

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.stack_events import Watch, describe, is_busy
from tests.plugins.stubs import STACK_ID, answers, event, events, new_cloud, stack

WORDS = {"Host": "the host", "Address": "the address"}
OLD = event(1, "Host", "CREATE_FAILED", "an older run")


def test_a_stack_that_does_not_exist_is_none() -> None:
    client = new_cloud().cloudformation
    missing = "ValidationError: Stack with id demo does not exist"
    with answers(client, ("describe_stacks", missing)):
        assert describe(client, "demo") is None


@pytest.mark.parametrize(
    ("status", "busy"),
    [("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", True), ("REVIEW_IN_PROGRESS", False)],
)
def test_a_stack_under_review_waits_for_nobody(status: str, busy: bool) -> None:
    assert is_busy(status) is busy


def test_events_are_said_in_plain_words_once() -> None:
    client, said = new_cloud().cloudformation, list[str]()
    began = event(2, "Host", "CREATE_IN_PROGRESS"), event(3, "Host", "CREATE_IN_PROGRESS")
    ended = event(4, "Host", "CREATE_COMPLETE"), event(5, "demo", "CREATE_COMPLETE")
    with answers(client, events(OLD), events(OLD, *began, *ended)):
        status = Watch(client, STACK_ID, WORDS, said.append).wait(5)
    assert status == "CREATE_COMPLETE"
    assert [line.split("s  ")[1].split() for line in said] == [
        ["creating", "the", "host"],
        ["created", "the", "host"],
        ["created", "the", "stack"],
    ]


def test_the_first_failure_is_neither_an_older_one_nor_a_consequence() -> None:
    client = new_cloud().cloudformation
    new = (
        event(2, "Address", "CREATE_FAILED", "Resource creation cancelled"),
        event(3, "Host", "CREATE_FAILED", "no such image"),
        event(4, "demo", "ROLLBACK_COMPLETE"),
    )
    with answers(client, events(OLD), events(OLD, *new)):
        watch = Watch(client, STACK_ID, WORDS, lambda _: None)
        watch.wait(5)
    assert watch.first_failure() == ("the host (Host)", "no such image")


def test_a_stack_that_vanishes_while_it_is_watched_is_deleted() -> None:
    client = new_cloud().cloudformation
    gone = ("describe_stacks", "ValidationError: Stack with id demo does not exist")
    with answers(client, events(OLD), events(OLD), gone):
        assert Watch(client, STACK_ID, WORDS, lambda _: None).wait(5) == "DELETE_COMPLETE"


def test_an_operation_that_takes_too_long_says_that_nothing_is_lost() -> None:
    client = new_cloud().cloudformation
    busy = ("describe_stacks", stack("CREATE_IN_PROGRESS"))
    with (
        answers(client, events(OLD), events(OLD), busy),
        pytest.raises(StackError, match=r"not finished after 0 s.*run the same command again"),
    ):
        Watch(client, STACK_ID, WORDS, lambda _: None).wait(0)


def test_an_earlier_operation_is_waited_for() -> None:
    client = new_cloud().cloudformation
    busy, done = (
        ("describe_stacks", stack(status)) for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    )
    with answers(client, events(OLD), busy, events(OLD), done, events(OLD)):
        settled = Watch(client, STACK_ID, WORDS, lambda _: None).settle(5)
    assert settled is not None
    assert settled["StackStatus"] == "UPDATE_COMPLETE"
