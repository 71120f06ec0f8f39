"""A fleet's hosts are waited for, and one that gave up says why."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from plugins.module_utils import fleet
from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.fleet import Fleet
from tests.plugins.stubs import GROUP, answers, group, new_cloud

TARGETS = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/demo/1"


def health(**states: str) -> tuple[str, Any]:
    found = [
        {"Target": {"Id": name}, "TargetHealth": {"State": state, "Description": "why"}}
        for name, state in states.items()
    ]
    return "describe_target_health", {"TargetHealthDescriptions": found}


def console(text: str) -> tuple[str, Any]:
    return "get_console_output", {"Output": text}


def wait(groups: list[Any], healths: list[Any], consoles: list[Any], said: list[str]) -> list[str]:
    cloud = new_cloud()
    with ExitStack() as stubs:
        stubs.enter_context(answers(cloud.autoscaling, *groups))
        stubs.enter_context(answers(cloud.elbv2, *healths))
        stubs.enter_context(answers(cloud.ec2, *consoles))
        return [member.instance for member in Fleet(cloud, GROUP, TARGETS, said.append).ready(5)]


def test_hosts_are_ready_when_the_balancer_says_so_of_each() -> None:
    said: list[str] = []
    groups = [group(2, a="InService", b="Pending"), group(2, a="InService", b="InService")]
    healths = [health(a="healthy"), health(a="healthy", b="healthy")]
    assert wait(groups, healths, [], said) == ["a", "b"]
    assert [line.split(" s  ")[1] for line in said] == [
        "1 of 2 hosts take calls; b: Pending",
        "2 of 2 hosts take calls",
    ]


def test_a_host_that_leaves_is_not_waited_for() -> None:
    groups = [group(1, a="InService", b="Terminating")]
    assert wait(groups, [health(a="healthy", b="draining")], [], []) == ["a"]


def test_hosts_that_are_too_many_have_begun_to_leave_when_the_wait_is_over() -> None:
    groups = [group(1, a="InService", b="InService"), group(1, a="InService", b="Terminating")]
    cloud = new_cloud()
    with answers(cloud.autoscaling, *groups), answers(cloud.elbv2, *[health(a="healthy")] * 2):
        launched = Fleet(cloud, GROUP, TARGETS, print).launched(5)
    assert [member.instance for member in launched] == ["a"]


def test_a_host_that_configures_itself_says_how_far_it_is() -> None:
    said: list[str] = []
    printed = "boot\r\nconfigure 12:00:00.123 fetching releases/1.tar\r\nmore\r\n"
    wait(
        [group(1, a="InService")] * 2,
        [health(a="initial"), health(a="healthy")],
        [console(printed)],
        said,
    )
    assert said[0].endswith("0 of 1 hosts take calls; a: fetching releases/1.tar")


def test_a_host_that_gave_up_ends_the_wait_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_BELIEVED_AFTER", -1.0)
    printed = "line one\nconfigure 12:00:00.123 FAILED: releases/1.tar could not be fetched\n"
    with pytest.raises(StackError) as raised:
        wait([group(1, a="InService")], [health(a="unhealthy")], [console(printed)] * 2, [])
    message = str(raised.value)
    assert "a could not configure itself: releases/1.tar could not be fetched" in message
    assert "line one" in message


def test_a_host_that_tries_again_has_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_BELIEVED_AFTER", 0.05)
    failed = console("configure 12:00:00.123 FAILED: no\n")
    again = console("configure 12:00:00.123 FAILED: no\nconfigure 12:00:01.000 fetching x\n")
    ready = wait(
        [group(1, a="InService")] * 3,
        [health(a="unhealthy"), health(a="unhealthy"), health(a="healthy")],
        [failed, again],
        [],
    )
    assert ready == ["a"]


def test_one_host_may_be_awaited_whatever_the_others_do() -> None:
    cloud = new_cloud()
    with answers(
        cloud.elbv2, health(a="unhealthy", b="initial"), health(a="unhealthy", b="healthy")
    ):
        Fleet(cloud, GROUP, TARGETS, print).reached("b", 5)
    with (
        answers(cloud.elbv2, health(a="unhealthy")),
        pytest.raises(StackError, match="no calls to a after 0 s: it is unhealthy"),
    ):
        Fleet(cloud, GROUP, TARGETS, print).reached("a", 0)


def test_a_group_that_is_gone_is_named() -> None:
    with pytest.raises(StackError, match="demo-servers does not exist"):
        wait([("describe_auto_scaling_groups", {"AutoScalingGroups": []})], [], [], [])
