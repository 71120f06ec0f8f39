"""Hosts are replaced under the eyes of the prover, and no further one is once a call failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.fleet_replacement import Replacement
from tests.plugins.stubs import GROUP, answers, group, new_cloud
from tests.plugins.test_fleet import TARGETS, health

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "refresh-1"


def refresh(status: str, percent: int = 0, reason: str = "") -> tuple[str, Any]:
    found = {
        "InstanceRefreshId": ID,
        "AutoScalingGroupName": GROUP,
        "Status": status,
        "PercentageComplete": percent,
        **({"StatusReason": reason} if reason else {}),
    }
    return "describe_instance_refreshes", {"InstanceRefreshes": [found]}


PROTECTED: tuple[str, Any] = ("set_instance_protection", {})
CANCELLED = ("cancel_instance_refresh", {"InstanceRefreshId": ID})


def follow(
    *pairs: tuple[str, Any],
    trouble: Callable[[], str] = lambda: "",
    timeout: float = 5,
    healths: tuple[tuple[str, Any], ...] = (),
) -> list[str]:
    said: list[str] = []
    cloud = new_cloud()
    started = ("start_instance_refresh", {"InstanceRefreshId": ID})
    first = (group(2, old="InService", older="InService"), started)
    with answers(cloud.autoscaling, *first, *pairs), answers(cloud.elbv2, *healths):
        replacement = Replacement(cloud, GROUP, TARGETS, said.append)
        refresh = replacement.start(0, only_outdated=False)
        replacement.follow(refresh, timeout, trouble)
    return [line.split(" s  ")[1] for line in said]


def test_it_is_done_when_the_old_hosts_are_gone() -> None:
    said = follow(
        refresh("Pending"),
        refresh("InProgress", 50, "one is warming up"),
        refresh("Successful", 100),
        group(1, old="Terminating:Wait", new="InService"),
        refresh("Successful", 100),
        group(1, new="InService"),
    )
    assert said == [
        "0 % of the hosts are replaced",
        "50 % of the hosts are replaced: one is warming up",
        "100 % of the hosts are replaced",
    ]


def test_a_call_that_failed_ends_it() -> None:
    troubles = iter(["", "Calls failed while hosts were replaced"])
    with pytest.raises(StackError, match="Calls failed while") as raised:
        follow(
            refresh("InProgress"),
            refresh("InProgress", 50),
            refresh("InProgress", 50),
            group(2, new="InService", newer="InService", old="InService", older="Terminating"),
            PROTECTED,
            CANCELLED,
            refresh("Cancelled", 50),
            group(2, new="InService", newer="InService", old="InService"),
            refresh("Cancelled", 50),
            group(2, new="InService", newer="Terminating", old="InService"),
            PROTECTED,
            trouble=lambda: next(troubles),
            healths=(health(new="healthy", newer="initial", old="healthy"),) * 3,
        )
    assert "No further one is replaced; old and new take calls" in str(raised.value)


def test_one_that_takes_too_long_is_cancelled() -> None:
    none = group(0)
    slow = (refresh("InProgress"), refresh("InProgress"), none, CANCELLED, refresh("Cancelled"))
    with pytest.raises(StackError, match="not all replaced within 0 s"):
        follow(*slow, none, timeout=0, healths=(health(),) * 2)


def test_one_that_aws_gave_up_is_told_in_its_words() -> None:
    with pytest.raises(StackError, match=r"it ended Failed\. No capacity To see why: aws"):
        follow(refresh("Failed", 0, "No capacity"))


def test_two_at_once_are_refused() -> None:
    cloud = new_cloud()
    refused = ("start_instance_refresh", "InstanceRefreshInProgress")
    with (
        answers(cloud.autoscaling, group(1, old="InService"), refused),
        pytest.raises(StackError, match="being replaced already"),
    ):
        Replacement(cloud, GROUP, TARGETS, print).start(0, only_outdated=False)
