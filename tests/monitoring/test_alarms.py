"""Each alarm of the deployment's own template is raised by what it watches, and cleared.

The order matters: time passes meanwhile.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.conftest import ROOT, Cloud
from tests.localcloud.conftest import connection
from tests.localcloud.guests import until
from tests.localcloud.stacks import Stack
from tests.localcloud.watching import Watched, early, minute

TEMPLATE = (ROOT / "cloudformation/monitoring.yaml").read_text("utf-8")
ALARMS = ("silent", "failing", "slow", "expiring", "client-fails", "client-silent")
FIGURES = {
    "event": "figures",
    "ready": 1,
    "calls_refused": 0,
    "memory_bytes": 60_000_000,
    "certificate_days_left": 80.5,
}
CALL = {"event": "call", "code": "OK", "duration_ms": 5.25}
BAD = {
    "failing": [CALL | {"code": code} for code in ("INTERNAL", "UNAVAILABLE", "UNKNOWN")],
    "slow": [CALL | {"duration_ms": 1500}],
    "expiring": [FIGURES | {"certificate_days_left": 6.9}],
}
WELL = dict.fromkeys(ALARMS, "OK")
FAILURE = {"event": "call", "level": "error", "status": "UNAVAILABLE"}
BEAT = {"event": "figures", "calls": 20, "failed": 0, "wrong": 0}


class Deployment(Watched):
    """The groups and alarms of a deployment that has no host: the test writes its lines."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, f"mon-{uuid.uuid4().hex[:8]}")
        client: Any = boto3.client("cloudformation", **connection(cloud))
        values = {"Deployment": self.name, "HasClient": "true", "Email": "ana@example.com"}
        self.stack = Stack(client, f"{self.name}-monitoring", TEMPLATE, **values)

    def write_to_client(self, *lines: dict[str, Any], at: int | None = None) -> None:
        self.group, server = f"/{self.name}/client", self.group
        self.write(*lines, at=at)
        self.group = server

    def states(self) -> dict[str, str]:
        return {name: self.state(name) for name in ALARMS}

    def write_well(self, at: int) -> None:
        """Write what a healthy minute has."""
        self.write(*[CALL] * 9, *[FIGURES] * 3, at=at)


@pytest.fixture(scope="module")
def deployments(cloud: Cloud) -> Iterator[dict[str, Deployment]]:
    """Deployments with lines of the last minutes, and those that fare well with the next ones."""
    found = {name: Deployment(cloud) for name in ("well", "troubled", "quiet", "stalled", "few")}
    for one in found.values():
        assert one.stack.create() == "CREATE_COMPLETE", one.stack.reasons()
        for group in (one.group, f"/{one.name}/client"):
            one.logs.create_log_stream(logGroupName=group, logStreamName="one")
    early(30)
    for ago in range(-4, 4):
        found["well"].write_well(minute(ago))
        found["well"].write(*[CALL | {"code": "INVALID_ARGUMENT"}] * 20, at=minute(ago))
        found["well"].write_to_client(*[BEAT] * 3, at=minute(ago))
        found["troubled"].write_well(minute(ago))
        # Its client begins to call in the present minute.
        beat = BEAT if ago < 1 else BEAT | {"calls": 0}
        found["troubled"].write_to_client(*[beat] * 3, at=minute(ago))
    for ago in (3, 2, 1):
        found["troubled"].write(*(line for bad in BAD.values() for line in bad), at=minute(ago))
        found["quiet"].write(*[FIGURES] * 3, at=minute(ago))
    found["troubled"].write_to_client(FAILURE)
    found["stalled"].write(*[FIGURES | {"ready": 0}] * 3, at=minute())
    found["few"].write(*[FIGURES] * 3, *[CALL | {"code": "INTERNAL"}] * 2, at=minute())
    yield found
    for one in found.values():
        one.stack.delete()


def test_each_alarm_is_raised_by_what_it_watches(deployments: dict[str, Deployment]) -> None:
    raised = dict.fromkeys(ALARMS, "ALARM") | {"silent": "OK"}
    until(lambda: deployments["troubled"].states() == raised, "they are raised", 25)


def test_a_heartbeat_without_a_call_is_all_right(deployments: dict[str, Deployment]) -> None:
    until(lambda: deployments["quiet"].state("silent") == "OK", "its heart beats", 25)


def test_a_server_that_lives_and_is_not_ready_is_silent(deployments: dict[str, Deployment]) -> None:
    until(lambda: deployments["stalled"].state("silent") == "ALARM", "it is raised", 25)


def test_a_few_errors_in_a_minute_are_not_an_alarm(deployments: dict[str, Deployment]) -> None:
    until(lambda: deployments["few"].state("silent") == "OK", "the minute is evaluated", 25)
    assert deployments["few"].state("failing") == "OK"


def test_a_deployment_that_fares_well_raises_none(deployments: dict[str, Deployment]) -> None:
    """And callers who are wrong are no fault of the servers."""
    until(lambda: deployments["well"].states() == WELL, "all alarms are clear", 25)


def test_no_call_is_no_outage_and_no_heartbeat_is_one(deployments: dict[str, Deployment]) -> None:
    quiet = deployments["quiet"]
    assert {quiet.state(name) for name in ("failing", "slow", "client-fails")} == {"OK"}
    until(lambda: quiet.state("silent") == "ALARM", "its heart does not beat", 90)
    assert quiet.state("client-silent") == "ALARM"
    assert quiet.state("expiring") == "OK"


def test_an_alarm_is_cleared_when_all_is_well_again(deployments: dict[str, Deployment]) -> None:
    until(lambda: deployments["troubled"].states() == WELL, "they are cleared", 150)
    assert deployments["well"].states() == WELL


def test_the_address_is_subscribed_and_the_dashboard_has_every_alarm(
    cloud: Cloud, deployments: dict[str, Deployment]
) -> None:
    deployment = deployments["well"]
    sns: Any = boto3.client("sns", **connection(cloud))
    topic = deployment.stack.outputs()["Topic"]
    [mail] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "ana@example.com")
    assert set(deployment.stack.outputs()["Alarms"].split(",")) == {
        deployment.alarm_name(name) for name in ALARMS
    }
    board = deployment.cloudwatch.get_dashboard(DashboardName=deployment.name)["DashboardBody"]
    assert all(deployment.alarm_name(name) in board for name in ALARMS)
