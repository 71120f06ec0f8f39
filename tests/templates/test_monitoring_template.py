"""The template of what watches is clean for cfn-lint, and each alarm is one on purpose."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from grpc_switch.logs import FAULTS

from plugins.module_utils import stack_template

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "cloudformation" / "monitoring.yaml"
GUIDE = ROOT / "docs" / "monitoring.md"
MISSING = {
    "Silent": "breaching",
    "Failing": "notBreaching",
    "Slow": "notBreaching",
    "Expiring": "ignore",
    "ClientFails": "notBreaching",
    "ClientSilent": "breaching",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return stack_template.load(TEMPLATE.read_text(encoding="utf-8"))


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def test_cfn_lint_finds_nothing() -> None:
    cfnlint = importlib.import_module("cfnlint")
    matches = cfnlint.lint(TEMPLATE.read_text(encoding="utf-8"), config={"regions": ["us-east-1"]})
    assert [str(match) for match in matches] == []


def test_what_a_missing_value_means_is_chosen_for_each_alarm(template: dict[str, Any]) -> None:
    """No call is no outage, and no heartbeat is one."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    assert {name: alarm["TreatMissingData"] for name, alarm in alarms.items()} == MISSING


def test_each_alarm_tells_people_and_says_what_to_do(template: dict[str, Any]) -> None:
    headings = re.findall(r"^#+ (.+)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}
    for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Topic"}]
        named = re.search(r"docs/monitoring\.md#([a-z-]+)$", alarm["AlarmDescription"])
        assert named
        assert named[1] in anchors


def test_alarms_watch_metrics_that_filters_make(template: dict[str, Any]) -> None:
    made = {
        filters["MetricTransformations"][0]["MetricName"]
        for filters in of_type(template, "AWS::Logs::MetricFilter").values()
    }
    watched = set()
    for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
        parts = [part["MetricStat"] for part in alarm.get("Metrics", []) if "MetricStat" in part]
        watched |= {part["Metric"]["MetricName"] for part in parts} or {alarm["MetricName"]}
        periods = {part["Period"] for part in parts} or {alarm["Period"]}
        assert periods == {60}
    assert watched < made


def test_errors_are_the_statuses_that_the_status_counts(template: dict[str, Any]) -> None:
    pattern = of_type(template, "AWS::Logs::MetricFilter")["ErrorsMetric"]["FilterPattern"]
    assert set(re.findall(r'\$\.code = "(\w+)"', pattern)) == FAULTS


def test_the_host_may_only_write_to_the_servers_log(template: dict[str, Any]) -> None:
    (role,) = of_type(template, "AWS::IAM::Role").values()
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    resources = [resource["Sub"].partition(":log-group:")[2] for resource in statement["Resource"]]
    assert resources == ["/${Deployment}/server", "/${Deployment}/server:*"]


def test_the_dashboard_is_json_whatever_its_values(template: dict[str, Any]) -> None:
    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    body, values = dashboard["DashboardBody"]["Sub"]
    for client in ("", ', "arn:client"'):
        assert set(values) == {"ClientAlarms", "Query"}
        filled = body.replace("${ClientAlarms}", client)
        found = json.loads(re.sub(r"\$\{[A-Za-z:.]+\}", "1", filled))
        assert len(found["widgets"]) == 7


def test_every_parameter_and_output_is_described(template: dict[str, Any]) -> None:
    described = [*template["Parameters"].values(), *template["Outputs"].values()]
    assert all(item.get("Description") for item in described)


def test_every_parameter_is_constrained(template: dict[str, Any]) -> None:
    constraints = {"AllowedPattern", "AllowedValues", "MaxValue", "MaxLength"}
    assert all(constraints & set(one) for one in template["Parameters"].values())


def test_every_resource_has_words_for_its_progress_line(template: dict[str, Any]) -> None:
    words = stack_template.descriptions(TEMPLATE.read_text(encoding="utf-8"))
    assert all(description != name for name, description in words.items())
    assert set(words) == set(template["Resources"])


def test_every_resource_that_can_carries_the_deployment_and_its_role(
    template: dict[str, Any],
) -> None:
    tagged = [
        {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
        for resource in template["Resources"].values()
        if "Tags" in resource["Properties"]
    ]
    assert len(tagged) == 10
    assert all(tags["Deployment"] == {"Ref": "Deployment"} and tags["Role"] for tags in tagged)
