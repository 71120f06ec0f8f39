"""CloudFormation's types of CloudWatch, CloudWatch Logs and SNS."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.conftest import Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until
from tests.localcloud.stacks import Stack
from tests.localcloud.watching import Watched, early

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

TEMPLATE = (Path(__file__).parent / "monitoring.yaml").read_text()
FAILED = {"event": "call", "code": "INTERNAL", "duration_ms": 20}
CALL = {"event": "call", "code": "OK", "duration_ms": 5}


@pytest.fixture
def stack(cloudformation: "CloudFormationClient") -> Iterator[Stack]:
    made = Stack(cloudformation, f"watch-{uuid.uuid4().hex[:8]}", TEMPLATE)
    assert made.create() == "CREATE_COMPLETE", made.reasons()
    yield made
    made.delete()


@pytest.fixture
def watched(cloud: Cloud, stack: Stack) -> Watched:
    found = Watched(cloud, stack.name)
    found.open_stream("one")
    early()
    return found


def test_refs_and_attributes_are_those_of_aws(stack: Stack) -> None:
    name, prefix = stack.name, "us-east-1:000000000000"
    outputs = stack.outputs()
    mail, calls, slow = (outputs.pop(key) for key in ("Mail", "Calls", "Slow"))
    assert mail.startswith(f"arn:aws:sns:{prefix}:{name}:")
    assert calls.startswith("Calls-")
    assert slow.startswith(f"{name}-Slow-")
    assert outputs == {
        "Log": f"/{name}/server",
        "LogArn": f"arn:aws:logs:{prefix}:log-group:/{name}/server:*",
        "Errors": "errors",
        "Topic": f"arn:aws:sns:{prefix}:{name}",
        "TopicName": name,
        "ErrorShare": f"{name}-errors",
        "ErrorShareArn": f"arn:aws:cloudwatch:{prefix}:alarm:{name}-errors",
        "Board": name,
    }


def test_the_alarm_of_a_stack_follows_the_log_of_the_stack(watched: Watched) -> None:
    assert watched.state("errors") == "OK"
    watched.write(FAILED, FAILED, CALL)
    until(lambda: watched.state("errors") == "ALARM", "it is raised", 20)
    assert watched.values("Latency", "Maximum") == [20]


def test_an_update_changes_alarm_and_filter_in_place(stack: Stack, watched: Watched) -> None:
    watched.write(FAILED, FAILED, CALL)
    until(lambda: watched.state("errors") == "ALARM", "it is raised", 20)
    before = stack.outputs()
    assert stack.update(Threshold="90", Pattern="{ $.code = * }", Retention="14") == (
        "UPDATE_COMPLETE"
    ), stack.reasons()
    assert stack.outputs() == before
    assert watched.described("errors")["Threshold"] == 90
    until(lambda: watched.state("errors") == "OK", "it is cleared", 20)
    [group] = watched.logs.describe_log_groups(logGroupNamePrefix=watched.group)["logGroups"]
    assert group["retentionInDays"] == 14
    watched.write(CALL)
    assert sum(watched.values("Errors")) == 3


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"Pattern": "{ $.code EXISTS }"}, "Invalid metric filter pattern"),
        ({"Retention": "8"}, "retentionInDays"),
    ],
)
def test_what_aws_would_refuse_rolls_the_update_back(
    stack: Stack, watched: Watched, values: dict[str, str], why: str
) -> None:
    assert stack.update(**values) == "UPDATE_ROLLBACK_COMPLETE"
    assert any(why in reason for reason in stack.reasons())
    found = watched.logs.describe_metric_filters(logGroupName=watched.group)["metricFilters"]
    assert '{ ($.event = "call") && ($.code = "INTERNAL") }' in (
        one["filterPattern"] for one in found
    )


def test_a_change_set_says_that_only_the_alarm_changes(stack: Stack) -> None:
    [change] = stack.changes("UPDATE", Threshold="60")["Changes"]
    change = change["ResourceChange"]
    assert (change["LogicalResourceId"], change["Replacement"]) == ("ErrorShare", "False")


def test_a_group_that_exists_is_no_groups_of_a_stack(
    cloud: Cloud, cloudformation: "CloudFormationClient"
) -> None:
    watched = Watched(cloud, f"watch-{uuid.uuid4().hex[:8]}")
    watched.create()
    watched.write("kept")
    stack = Stack(cloudformation, watched.name, TEMPLATE)
    assert stack.create() == "ROLLBACK_COMPLETE"
    assert any("already exists" in reason for reason in stack.reasons())
    stack.delete()
    found = watched.logs.filter_log_events(logGroupName=watched.group)["events"]
    assert [one["message"] for one in found] == ["kept"]
    watched.logs.delete_log_group(logGroupName=watched.group)


def test_nothing_of_a_stack_is_left(cloud: Cloud, cloudformation: "CloudFormationClient") -> None:
    stack = Stack(cloudformation, f"watch-{uuid.uuid4().hex[:8]}", TEMPLATE)
    assert stack.create() == "CREATE_COMPLETE", stack.reasons()
    watched = Watched(cloud, stack.name)
    sns: Any = boto3.client("sns", **connection(cloud))

    def left() -> list[Any]:
        alarms = watched.cloudwatch.describe_alarms(AlarmNamePrefix=stack.name)["MetricAlarms"]
        boards = watched.cloudwatch.list_dashboards(DashboardNamePrefix=stack.name)
        groups = watched.logs.describe_log_groups(logGroupNamePrefix=f"/{stack.name}")["logGroups"]
        filters = watched.logs.describe_metric_filters(
            metricName="Calls", metricNamespace=stack.name
        )["metricFilters"]
        topics = [one for one in sns.list_topics()["Topics"] if stack.name in one["TopicArn"]]
        return [*alarms, *boards["DashboardEntries"], *groups, *filters, *topics]

    assert len(left()) == 6
    stack.delete()
    assert left() == []


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        '{"widgets": [{"type": "graph"}]}',
        '{"widgets": [{"type": "metric", "properties": {"metrics": [["a", "b"]]}}]}',
        '{"widgets": [{"type": "text", "properties": {"markdown": "a"}, "x": 20, "width": 6}]}',
    ],
)
def test_a_dashboard_that_aws_would_refuse_is_refused(cloud: Cloud, body: str) -> None:
    cloudwatch: Any = boto3.client("cloudwatch", **connection(cloud))
    with pytest.raises(cloudwatch.exceptions.DashboardInvalidInputError):
        cloudwatch.put_dashboard(DashboardName="bad", DashboardBody=body)
