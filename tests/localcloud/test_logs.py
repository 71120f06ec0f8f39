"""CloudWatch Logs: limits of a batch, searching, and metrics made of lines."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud
from tests.localcloud.watching import Watched, minute

CALL = {"event": "call", "code": "OK", "duration_ms": 5.0}
FAILED = {"event": "call", "code": "INTERNAL", "duration_ms": 50.5}
FIGURES = {"event": "figures", "memory": 1000}


@pytest.fixture
def watched(cloud: Cloud) -> Iterator[Watched]:
    found = Watched(cloud, f"logs-{uuid.uuid4().hex[:8]}")
    found.create()
    yield found
    found.logs.delete_log_group(logGroupName=found.group)


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_matching_lines_are_counted_in_their_own_minute(watched: Watched) -> None:
    watched.filter("Calls", '{ $.event = "call" }')
    watched.write(CALL, CALL, FIGURES, at=minute(2))
    watched.write(FAILED)
    assert watched.values("Calls") == [2, 1]


def test_a_field_of_the_line_is_the_value(watched: Watched) -> None:
    watched.filter("Latency", '{ $.event = "call" }', "$.duration_ms", unit="Milliseconds")
    watched.write(
        CALL, CALL, CALL, FAILED, {"event": "call"}, {"event": "call", "duration_ms": "x"}
    )
    assert watched.values("Latency", "SampleCount") == [4]
    assert watched.values("Latency", "Maximum") == [50.5]
    assert watched.values("Latency", "p50") == [5]
    [p99] = watched.values("Latency", "p99")
    assert 45 < p99 < 50.5


def test_the_default_stands_for_lines_that_do_not_match(watched: Watched) -> None:
    watched.filter("Errors", '{ $.code = "INTERNAL" }', defaultValue=0)
    watched.filter("Silent", '{ $.code = "INTERNAL" }')
    watched.write(CALL, CALL)
    assert watched.values("Errors") == [0]
    assert watched.values("Silent") == []


def test_a_filter_counts_only_what_comes_after_it_and_nothing_once_deleted(
    watched: Watched,
) -> None:
    watched.write(CALL)
    watched.filter("Calls", '{ $.event = "call" }')
    watched.write(CALL)
    watched.logs.delete_metric_filter(logGroupName=watched.group, filterName="Calls")
    watched.write(CALL)
    assert watched.values("Calls") == [1]


def test_a_field_can_be_a_dimension(watched: Watched) -> None:
    watched.filter("ByCode", '{ $.event = "call" }', dimensions={"Code": "$.code"})
    watched.write(CALL, CALL, FAILED)
    found = watched.cloudwatch.list_metrics(Namespace=watched.name)["Metrics"]
    codes = sorted(one["Dimensions"][0]["Value"] for one in found)
    assert codes == ["INTERNAL", "OK"]
    assert watched.values("ByCode") == []


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ('{ $.event = "call" ', {}),
        ("{ $.event EXISTS }", {}),
        ("status:500", {}),
        ('{ $.event = "call" }', {"value": "many"}),
        ("ERROR", {"value": "$.duration_ms"}),
        ("ERROR", {"dimensions": {"Code": "$.code"}}),
        ('{ $.event = "call" }', {"dimensions": {"Code": "$.code"}, "defaultValue": 0}),
        ('{ $.event = "call" }', {"metricNamespace": "AWS/Mine"}),
        ('{ $.event = "call" }', {"metricName": "a:b"}),
    ],
)
def test_a_filter_that_aws_would_refuse_is_refused(
    watched: Watched, pattern: str, made: dict[str, Any]
) -> None:
    answer = refused(watched.filter, "Bad", pattern, **made)
    assert answer.startswith("InvalidParameterException: ")
    found = watched.logs.describe_metric_filters(logGroupName=watched.group)
    assert found["metricFilters"] == []


def test_a_pattern_can_be_tried_first(watched: Watched) -> None:
    lines = [json.dumps(CALL), json.dumps(FAILED)]
    found = watched.logs.test_metric_filter(
        filterPattern='{ $.code != "OK" }', logEventMessages=lines
    )
    assert [one["eventNumber"] for one in found["matches"]] == [2]
    answer = refused(watched.logs.test_metric_filter, filterPattern="{", logEventMessages=lines)
    assert answer.startswith("InvalidParameterException: Invalid metric filter pattern")


def batch(watched: Watched, *events: tuple[float, str]) -> Any:
    return watched.logs.put_log_events(
        logGroupName=watched.group,
        logStreamName="one",
        logEvents=[{"timestamp": int(at * 1000), "message": text} for at, text in events],
    )


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([(0, "later"), (-1, "earlier")], "must be in chronological order"),
        ([(-90_000, "yesterday"), (0, "today")], "cannot span more than 24 hours"),
        ([(0, "x" * 1_048_551)], "Log event too large"),
        ([(0, "x" * 524_288)] * 2, "Upload too large"),
        ([(0, "x")] * 10_001, "must not hold more than 10000 log events"),
    ],
)
def test_a_batch_beyond_a_limit_is_refused_whole(
    watched: Watched, events: list[tuple[float, str]], why: str
) -> None:
    now = time.time()
    answer = refused(batch, watched, *((now + offset, text) for offset, text in events))
    assert answer.startswith("InvalidParameterException: ")
    assert why in answer
    assert watched.logs.filter_log_events(logGroupName=watched.group)["events"] == []


def test_the_largest_batches_are_taken(watched: Watched) -> None:
    now = time.time()
    batch(watched, (now, "x" * 1_048_550))
    batch(watched, *[(now, "x")] * 10_000)


def test_what_is_too_old_or_too_new_is_left_out_and_named(watched: Watched) -> None:
    watched.filter("Lines", "")
    watched.logs.put_retention_policy(logGroupName=watched.group, retentionInDays=3)
    now, day = time.time(), 24 * 3600
    answer = batch(
        watched,
        *((now - 15 * day, "ancient"), (now - 4 * day, "expired"), (minute(), "fine")),
        (now + 3 * 3600, "future"),
    )
    assert answer["rejectedLogEventsInfo"] == {
        "expiredLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 3,
        "tooOldLogEventEndIndex": 1,
    }
    kept = watched.logs.filter_log_events(logGroupName=watched.group)["events"]
    assert [one["message"] for one in kept] == ["fine"]
    assert watched.values("Lines") == [1]


def test_lines_are_found_by_field_over_all_streams(watched: Watched) -> None:
    watched.open_stream("two")
    for at, (stream, number) in enumerate((("one", 1), ("two", 2), ("one", 3))):
        watched.write(
            {"request_id": "a", "n": number}, {"request_id": "b"}, at=minute() + at, to=stream
        )
    found = watched.logs.filter_log_events(
        logGroupName=watched.group, filterPattern='{ $.request_id = "a" }'
    )
    shown = [(one["logStreamName"], json.loads(one["message"])["n"]) for one in found["events"]]
    assert shown == [("one", 1), ("two", 2), ("one", 3)]
    named = {"logGroupName": watched.group, "logStreamNamePrefix": "tw"}
    assert len(watched.logs.filter_log_events(**named)["events"]) == 2
    answer = refused(
        watched.logs.filter_log_events, logGroupName=watched.group, filterPattern="{ $. }"
    )
    assert answer.startswith("InvalidParameterException: Invalid filter pattern")


def test_a_line_that_comes_late_moves_no_page(watched: Watched) -> None:
    watched.write(*({"n": number} for number in range(3)))
    named: dict[str, Any] = {"logGroupName": watched.group, "limit": 2}
    first = watched.logs.filter_log_events(**named)
    watched.write({"n": "late"}, at=minute(2))
    second = watched.logs.filter_log_events(nextToken=first["nextToken"], **named)
    shown = [json.loads(one["message"])["n"] for one in (*first["events"], *second["events"])]
    assert shown == [0, 1, 2]
    answer = refused(watched.logs.filter_log_events, nextToken="nothing", **named)
    assert answer == "InvalidParameterException: The specified nextToken is invalid."


def test_a_search_looks_at_so_many_lines_at_once(watched: Watched) -> None:
    """As on AWS, a page may be empty: its token leads on."""
    now = time.time()
    for _ in range(3):
        batch(watched, *[(now, "noise")] * 9_999, (now, "signal"))
    pages = [
        len(page["events"])
        for page in watched.logs.get_paginator("filter_log_events").paginate(
            logGroupName=watched.group, filterPattern="signal"
        )
    ]
    assert pages == [2, 1]


def test_a_long_search_comes_in_pages(watched: Watched) -> None:
    watched.write(*({"n": number} for number in range(25)))
    pages = watched.logs.get_paginator("filter_log_events").paginate(
        logGroupName=watched.group,
        filterPattern="{ $.n != 3 }",
        PaginationConfig={"PageSize": 10},
    )
    counts = [[json.loads(one["message"])["n"] for one in page["events"]] for page in pages]
    assert [len(page) for page in counts] == [10, 10, 4]
    assert [one for page in counts for one in page] == [one for one in range(25) if one != 3]
