"""Alarms of the local CloudWatch: states, times, whom they tell, and the clock behind them."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until
from tests.localcloud.watching import Watched, early, minute

CALL = {"event": "call", "code": "OK"}
FAILED = {"event": "call", "code": "INTERNAL"}
BEAT = {"event": "figures"}


@pytest.fixture
def watched(cloud: Cloud) -> Iterator[Watched]:
    found = Watched(cloud, f"alarms-{uuid.uuid4().hex[:8]}")
    found.create()
    found.filter("Calls", '{ $.event = "call" }')
    found.filter("Errors", '{ $.code = "INTERNAL" }', defaultValue=0)
    found.filter("Beats", '{ $.event = "figures" }')
    early()
    yield found
    alarms = found.cloudwatch.describe_alarms(AlarmNamePrefix=found.name)["MetricAlarms"]
    found.cloudwatch.delete_alarms(AlarmNames=[one["AlarmName"] for one in alarms])
    found.logs.delete_log_group(logGroupName=found.group)


def stat(watched: Watched, name: str, period: int = 60) -> dict[str, Any]:
    metric = {"Namespace": watched.name, "MetricName": name}
    return {"Metric": metric, "Period": period, "Stat": "Sum"}


def put_math(
    watched: Watched, name: str, expression: str, *names: str, period: int = 60, **more: Any
) -> None:
    metrics = [
        {"Id": "result", "Expression": expression},
        *(
            {"Id": one.lower(), "MetricStat": stat(watched, one, period), "ReturnData": False}
            for one in names
        ),
    ]
    watched.cloudwatch.put_metric_alarm(
        AlarmName=watched.alarm_name(name),
        **{
            "Metrics": metrics,
            "EvaluationPeriods": 1,
            "Threshold": 50,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            **more,
        },
    )


def until_state(watched: Watched, name: str, wanted: str, seconds: float = 20) -> None:
    until(lambda: watched.state(name) == wanted, f"{name} is {wanted}", seconds)


def test_an_alarm_is_raised_and_cleared_by_the_lines_of_a_log(watched: Watched) -> None:
    watched.alarm("Errors")
    assert watched.state("Errors") == "OK"
    watched.write(FAILED, CALL, at=minute(2))
    until_state(watched, "Errors", "ALARM")
    raised = watched.described("Errors")
    assert "1 out of the last 1 datapoints [1.0 (" in raised["StateReason"]
    assert json.loads(raised["StateReasonData"])["recentDatapoints"] == [1.0]
    watched.write(CALL)
    until_state(watched, "Errors", "OK")
    assert (
        watched.described("Errors")["StateTransitionedTimestamp"] > raised["StateUpdatedTimestamp"]
    )


def test_each_change_of_a_state_is_in_the_history_with_its_time(watched: Watched) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    watched.write(FAILED, at=minute(2))
    watched.alarm("Errors")
    watched.write(CALL)
    until_state(watched, "Errors", "OK")
    found = watched.cloudwatch.describe_alarm_history(
        AlarmName=watched.alarm_name("Errors"),
        HistoryItemType="StateUpdate",
        ScanBy="TimestampAscending",
    )["AlarmHistoryItems"]
    assert [one["HistorySummary"] for one in found] == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
    ]
    assert all(before <= one["Timestamp"] <= datetime.now(UTC) for one in found)


def test_a_share_of_errors_is_an_expression(watched: Watched) -> None:
    expression = "IF(errors >= 2, 100 * errors / calls, 0)"
    watched.write(FAILED, CALL, at=minute(2))
    put_math(watched, "Errors", expression, "Errors", "Calls")
    assert watched.state("Errors") == "OK"
    watched.write(FAILED, FAILED, CALL)
    until_state(watched, "Errors", "ALARM")
    [raised] = json.loads(watched.described("Errors")["StateReasonData"])["recentDatapoints"]
    assert raised == pytest.approx(66.7, abs=0.1)


def test_silence_raises_an_alarm_by_the_clock_alone(watched: Watched) -> None:
    """By periods of ten seconds, as of minutes; nothing calls the API but to look."""

    def beat(at: float) -> None:
        value = {"MetricName": "Beats", "Value": 1, "Timestamp": at, "StorageResolution": 1}
        watched.cloudwatch.put_metric_data(Namespace=watched.name, MetricData=[value])

    until(lambda: (time.time() - 5) % 10 < 8, "a period has just begun", 5)
    beat((time.time() - 5) // 10 * 10 - 5)
    put_math(
        watched,
        *("Beats", "FILL(beats, 0)", "Beats"),
        period=10,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    assert watched.state("Beats") == "OK"
    until_state(watched, "Beats", "ALARM")
    beat(time.time())
    until_state(watched, "Beats", "OK", 30)


def test_a_missing_datapoint_is_noticed_after_the_whole_evaluation_range(watched: Watched) -> None:
    """As on AWS: without FILL, a beat of the last three minutes still counts."""
    given: Any = {"ComparisonOperator": "LessThanThreshold", "Threshold": 1}
    watched.write(BEAT, at=minute(2))
    watched.alarm("Beats", TreatMissingData="breaching", **given)
    assert watched.state("Beats") == "OK"
    watched.alarm("Calls", TreatMissingData="breaching", **given)
    assert watched.state("Calls") == "ALARM"


def test_several_datapoints_may_be_needed(watched: Watched) -> None:
    watched.write(FAILED, at=minute(3))
    watched.write(CALL, at=minute(2))
    watched.write(CALL)
    watched.alarm("Errors", EvaluationPeriods=3, DatapointsToAlarm=2)
    assert watched.state("Errors") == "OK"
    watched.write(FAILED)
    until_state(watched, "Errors", "ALARM")


def test_a_percentile_of_few_samples_can_be_ignored(watched: Watched) -> None:
    watched.filter("Latency", "{ $.ms = * }", "$.ms")
    watched.write(*({"ms": number} for number in range(20)))
    p90: Any = {
        "AlarmName": watched.alarm_name("Latency"),
        "Namespace": watched.name,
        "MetricName": "Latency",
        "ExtendedStatistic": "p90",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10,
    }
    watched.cloudwatch.put_metric_alarm(**p90, EvaluateLowSampleCountPercentile="ignore")
    assert watched.state("Latency") == "INSUFFICIENT_DATA"
    watched.cloudwatch.put_metric_alarm(**p90)
    assert watched.state("Latency") == "ALARM"


def test_an_alarm_looks_at_its_own_dimensions_only(watched: Watched) -> None:
    watched.filter("Calls", '{ $.event = "call" }', dimensions={"Code": "$.code"})
    watched.write(FAILED)
    watched.alarm("Calls", Dimensions=[{"Name": "Code", "Value": "OK"}])
    assert watched.state("Calls") == "OK"
    watched.alarm("Calls", Dimensions=[{"Name": "Code", "Value": "INTERNAL"}])
    until_state(watched, "Calls", "ALARM")


def test_a_change_of_the_alarm_keeps_its_state_and_a_state_set_by_hand_does_not_last(
    watched: Watched,
) -> None:
    watched.alarm("Errors", TreatMissingData="ignore")
    watched.cloudwatch.set_alarm_state(
        AlarmName=watched.alarm_name("Errors"), StateValue="ALARM", StateReason="a test"
    )
    watched.alarm("Errors", TreatMissingData="ignore", AlarmDescription="new")
    assert watched.described("Errors")["AlarmDescription"] == "new"
    assert watched.state("Errors") == "ALARM"
    watched.write(CALL)
    until_state(watched, "Errors", "OK")


def test_a_topics_subscribers_are_told_of_both_changes(cloud: Cloud, watched: Watched) -> None:
    given: Any = connection(cloud)
    sns: Any = boto3.client("sns", **given)
    sqs: Any = boto3.client("sqs", **given)
    topic = sns.create_topic(Name=watched.name)["TopicArn"]
    queue = sqs.create_queue(QueueName=watched.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    watched.alarm("Errors", AlarmActions=[topic], OKActions=[topic], AlarmDescription="docs#errors")
    told: list[dict[str, Any]] = []

    def receive(count: int) -> bool:
        for one in sqs.receive_message(QueueUrl=queue).get("Messages", []):
            told.append(json.loads(json.loads(one["Body"])["Message"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
        return len(told) >= count

    until(lambda: receive(1), "the first state is told", 20)
    watched.write(FAILED)
    until(lambda: receive(2), "the alarm is told", 20)
    sqs.delete_queue(QueueUrl=queue)
    sns.delete_topic(TopicArn=topic)
    assert [one["NewStateValue"] for one in told] == ["OK", "ALARM"]
    assert told[1]["AlarmDescription"] == "docs#errors"


@pytest.mark.parametrize(
    ("configuration", "why"),
    [
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm"),
        ({"TreatMissingData": "alarm"}, "TreatMissingData"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ComparisonOperator"),
        ({"EvaluationWindow": {"WallClockWindow": {}}}, "EvaluationWindow is not supported here"),
        ({"EvaluationPeriods": 1441}, "more than a day"),
        ({"Metrics": [{"Id": "a", "Expression": "1"}]}, "must not be given beside Metrics"),
    ],
)
def test_an_alarm_that_aws_would_refuse_is_refused(
    watched: Watched, configuration: dict[str, Any], why: str
) -> None:
    with pytest.raises(ClientError, match=why):
        watched.alarm("Errors", **configuration)
    found = watched.cloudwatch.describe_alarms(AlarmNamePrefix=watched.name)
    assert found["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("errors +", "ends too early"),
        ("errors + other", "other is unknown"),
        ("SEARCH(errors)", "the function SEARCH is not here"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused(
    watched: Watched, expression: str, why: str
) -> None:
    with pytest.raises(ClientError, match=why):
        put_math(watched, "Errors", expression, "Errors")


def test_metric_data_can_be_an_expression(watched: Watched) -> None:
    watched.write(FAILED, CALL, CALL, CALL)
    [found] = watched.cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "share", "Expression": "100 * errors / calls", "Label": "Share"},
            {"Id": "errors", "MetricStat": stat(watched, "Errors"), "ReturnData": False},
            {"Id": "calls", "MetricStat": stat(watched, "Calls"), "ReturnData": False},
        ],
        StartTime=minute(5),
        EndTime=minute(0),
    )["MetricDataResults"]
    assert (found["Label"], found["Values"]) == ("Share", [25.0])
    assert [one.timestamp() for one in found["Timestamps"]] == [minute() - 30]
