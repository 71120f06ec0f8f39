"""Hosts that could not configure themselves are told, and forgotten when something is mended."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from botocore.response import StreamingBody

from plugins.module_utils.fleet_failures import Failures
from plugins.module_utils.release_bucket import ReleaseBucket
from tests.plugins.stubs import WHEN, answers, group, new_cloud

if TYPE_CHECKING:
    from plugins.module_utils.aws_cloud import Cloud

CONSOLE = """\
configure 12:00:00.000 fetching releases/1.tar
no such key
configure 12:00:01.000 FAILED: releases/1.tar could not be fetched
"""


def listed(*instances: str) -> tuple[str, Any]:
    """The folder's objects, of which the last one is the newest, in the order of their names."""
    found = [
        {"Key": f"failures/{name}", "LastModified": WHEN.replace(day=day)}
        for day, name in enumerate(instances, 1)
    ]
    return "list_objects_v2", {"Contents": sorted(found, key=lambda one: str(one["Key"]))}


def said(text: str) -> tuple[str, Any]:
    body = StreamingBody(io.BytesIO(text.encode()), len(text))
    return "get_object", {"Body": body, "LastModified": WHEN}


def of(cloud: Cloud) -> Failures:
    return Failures(cloud, "releases", "demo")


def test_each_tells_when_and_why_it_failed_and_the_end_of_its_console() -> None:
    cloud = new_cloud()
    with answers(cloud.s3, listed("i-2", "i-1"), said("half a l"), said(CONSOLE)):
        silent, last = of(cloud).described()
    assert (silent["instance"], silent["why"]) == ("i-2", "it did not say why")
    assert last == {
        "instance": "i-1",
        "at": "2026-01-01T00:00:00Z",
        "why": "releases/1.tar could not be fetched",
        "console": CONSOLE.splitlines(),
    }


def test_one_that_is_forgotten_meanwhile_is_left_out() -> None:
    cloud = new_cloud()
    with answers(cloud.s3, listed("i-1"), ("get_object", "NoSuchKey")):
        assert of(cloud).described() == []


def test_a_group_that_has_stopped_replacing_hosts_is_known() -> None:
    cloud = new_cloud()
    method, answer = group(1)
    answer["AutoScalingGroups"][0]["SuspendedProcesses"] = [{"ProcessName": "ReplaceUnhealthy"}]
    with answers(cloud.autoscaling, (method, answer), group(1)):
        assert [of(cloud).is_replaced(), of(cloud).is_replaced()] == [False, True]


def test_what_is_mended_lets_the_group_replace_hosts_again() -> None:
    cloud, changes = new_cloud(), list[str]()
    bucket = ReleaseBucket(cloud, "releases", "demo", check=False, say=changes.append)
    gone: tuple[str, Any] = ("delete_object", {})
    resumed: tuple[str, Any] = ("resume_processes", {})
    with (
        answers(cloud.s3, listed("i-1", "i-2"), listed("i-1", "i-2"), gone, gone),
        answers(cloud.autoscaling, resumed),
    ):
        bucket.try_again(of(cloud))
    assert changes == ["Publishing that 2 hosts failed is over: hosts are replaced again"]


def test_where_none_has_failed_nothing_is_changed() -> None:
    cloud = new_cloud()
    bucket = ReleaseBucket(cloud, "releases", "demo", check=False, say=print)
    with answers(cloud.s3, ("list_objects_v2", {})):
        bucket.try_again(of(cloud))
    assert bucket.changes == []
