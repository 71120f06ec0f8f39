"""A deployed host whose log is shipped: what arrives, what is told of it, and an alarm in time.

Who deploys has the policies of docs/iam alone. The order matters.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.deployer import Deployer
from tests.e2e.environment import Environment
from tests.localcloud.guests import until
from tests.localcloud.watching import Watched

# A name that callers send, and that must come out nowhere.
MARKER = "Fulana-de-Tal-4711"
SHIPPER = "saudacao-log.service"
SECONDS_TO_ALARM = 120


@pytest.fixture(scope="module")
def deployer(new_environment: EnvironmentFactory) -> Iterator[Deployer]:
    hired = Deployer.hire(new_environment("watched", monitoring=True))
    hired.environment.playbook("site.yml")
    yield hired
    hired.dismiss()


@pytest.fixture(scope="module")
def environment(deployer: Deployer) -> Environment:
    return deployer.environment


@pytest.fixture(scope="module")
def watched(cloud: Cloud, environment: Environment) -> Watched:
    return Watched(cloud, environment.name)


@pytest.fixture
def faults(cloud: Cloud) -> Iterator[Any]:
    yield lambda *words: cloud.command("fault", *words)
    cloud.command("fault", "none")


def shipped(watched: Watched) -> list[dict[str, Any]]:
    """Return every event of the servers' group, with its line read."""
    pages = watched.logs.get_paginator("filter_log_events").paginate(logGroupName=watched.group)
    events = [event for page in pages for event in page["events"]]
    return [{**event, "line": json.loads(event["message"])} for event in events]


def ids(events: list[dict[str, Any]]) -> set[str]:
    return {event["line"].get("request_id", "") for event in events}


def call(environment: Environment, count: int, *names: str) -> set[str]:
    """Call the service and return the ids of the calls."""
    run = environment.run("saudacao-client", "--json", "--count", str(count), *names)
    assert run.code == 0, run.output
    return set(json.loads(run.output)["request_ids"])


def logs(environment: Environment, *options: str) -> list[dict[str, Any]]:
    words = [word for option in ("format=json", *options) for word in ("-e", option)]
    entries: list[dict[str, Any]] = json.loads(
        environment.playbook("playbooks/logs.yml", *words).output
    )
    return entries


def test_every_line_arrives_once_and_as_it_is(environment: Environment, watched: Watched) -> None:
    made = call(environment, 50)
    until(lambda: made <= ids(shipped(watched)), "all calls are there", 30)
    events = shipped(watched)
    calls = [event for event in events if event["line"]["event"] == "call"]
    assert len(calls) == len(ids(calls))
    assert {event["logStreamName"] for event in events} == {environment.host.instance}
    told = environment.on_host("journalctl --unit 'saudacao@*' --output cat --no-pager")
    assert {event["message"] for event in calls} <= set(told.splitlines())
    assert {"figures", "ready", "log"} <= {event["line"]["event"] for event in events}


def test_a_second_run_changes_nothing(environment: Environment) -> None:
    assert set(environment.playbook("site.yml").changed.values()) == {0}


def test_the_log_is_the_same_from_cloudwatch_and_from_the_hosts(
    environment: Environment, watched: Watched
) -> None:
    (wanted,) = call(environment, 1, "Ana")
    until(lambda: wanted in ids(shipped(watched)), "it is shipped", 60)
    asked = (f"request_id={wanted}", "since=-1h")
    from_cloud = logs(environment, *asked)
    assert from_cloud == logs(environment, *asked, "from=hosts")
    assert from_cloud[0]["fields"]["code"] == "OK"
    # What has just been written is on its way.
    begin = datetime.fromtimestamp(time.time() - 20, UTC).isoformat()
    # The shipper's own lines stay on the host.
    both = [
        [
            entry
            for entry in logs(environment, "lines=9000", *more)
            if entry["time"] < begin and entry["unit"] != SHIPPER
        ]
        for more in ((), ("from=hosts",))
    ]
    assert both[0] == both[1]
    assert {"call", "figures", "ready"} <= {entry["message"] for entry in both[0]}


def test_the_status_has_the_alarms_and_the_calls_that_cloudwatch_knows(
    environment: Environment, watched: Watched
) -> None:
    until(lambda: watched.state("silent") == "OK", "its heart beats", 150)
    made = call(environment, 30)
    until(lambda: made <= ids(shipped(watched)), "they are shipped", 30)
    run = environment.playbook("playbooks/status.yml")
    assert "alarms: none of 4" in run.output
    (host,) = json.loads((environment.state / "status.json").read_text())["hosts"].values()
    assert host["calls"]["calls"] >= 30


def test_nothing_is_lost_while_cloudwatch_is_away(
    environment: Environment, watched: Watched, faults: Any
) -> None:
    """Refused, then not reached at all, for longer than a shipper waits between two tries."""
    faults("throttle", "logs:PutLogEvents")
    made = call(environment, 40)
    until(lambda: "lines wait in the journal" in own(environment), "it is said", 30)
    faults("outage")
    made |= call(environment, 40)
    time.sleep(20)
    made |= call(environment, 40)
    assert not made & ids(shipped(watched))
    faults("none")
    until(lambda: made <= ids(shipped(watched)), "all calls are there", 90)
    calls = [event for event in shipped(watched) if event["line"]["event"] == "call"]
    assert len(calls) == len(ids(calls))
    assert "lines are taken again" in own(environment)


def own(environment: Environment) -> str:
    """Return what the shipper has said itself."""
    return environment.on_host(f"journalctl --unit {SHIPPER} --output cat --no-pager")


def test_a_host_may_write_to_the_servers_log_alone(environment: Environment) -> None:
    for group, said in (("/watched/client", "AccessDenied"), ("/watched/server", "")):
        command = f"aws logs create-log-stream --log-group-name {group} --log-stream-name other"
        run = environment.shell(f"AWS_DEFAULT_REGION=us-east-1 /usr/local/bin/{command}")
        assert said in run.output
        assert (run.code == 0) == (said == ""), run.output


def test_a_killed_service_is_an_alarm_within_two_minutes_and_is_cleared(
    environment: Environment, watched: Watched
) -> None:
    until(lambda: watched.state("silent") == "OK", "its heart beats", 150)
    unit = "saudacao@{release}.service".format(**environment.status())
    # As one that crashes again and again: systemd starts a unit that dies once.
    environment.on_host(f"systemctl kill --signal=KILL {unit}; systemctl stop {unit}")
    until(lambda: watched.state("silent") == "ALARM", "the alarm is raised", SECONDS_TO_ALARM)
    run = environment.playbook("playbooks/status.yml", expect=2)
    assert "alarm watched-silent since" in run.output
    assert "read docs/monitoring.md#a-server-is-silent" in run.output
    environment.on_host(f"systemctl start {unit}")
    until(lambda: watched.state("silent") == "OK", "it is cleared", 150)


def test_what_ships_can_be_switched_off(environment: Environment, watched: Watched) -> None:
    run = environment.playbook("site.yml", "--extra-vars", '{"monitoring": false}')
    assert "removed       the servers' log" in run.output
    assert environment.shell(f"systemctl cat {SHIPPER}").code != 0
    groups = watched.logs.describe_log_groups(logGroupNamePrefix=watched.group)["logGroups"]
    assert groups == []


def test_what_callers_send_comes_out_nowhere(environment: Environment, watched: Watched) -> None:
    """Neither do keys: not in a run's most talkative output, a journal, a log group, the report.

    The run switches the shipping on again, which begins with the lines of the last hour.
    """
    client = environment.start("saudacao-client", "--duration", "600", "--rate", "5", MARKER)
    try:
        change = json.dumps({"release_settings": {"SERVER_REFLECTION": "true"}})
        outputs = [environment.playbook("site.yml", "-vvv", "--extra-vars", change).output]
    finally:
        client.terminate()
        client.communicate(timeout=30)
    made = call(environment, 1, MARKER)
    until(lambda: made <= ids(shipped(watched)), "it is shipped", 60)
    outputs.append(environment.playbook("playbooks/report.yml", "-vvv").output)
    outputs.append((environment.state / "report.html").read_text())
    outputs.append(environment.on_host("journalctl --no-pager --output=json --all"))
    outputs += [event["message"] for event in shipped(watched)]
    outputs.append(environment.run("ansible-playbook", "playbooks/logs.yml", "-vvv").output)
    text = "\n".join(outputs)
    assert MARKER not in text
    keys = [*environment.state.rglob("*.key"), environment.state / "ssh_key"]
    assert len(keys) == 4
    for key in keys:
        assert not [line for line in key.read_text().splitlines()[1:-1] if line in text]


def test_the_policies_were_enough_and_nothing_is_left(deployer: Deployer) -> None:
    run = deployer.environment.playbook("teardown.yml")
    assert "removed       the servers' log  /watched/server" in run.output
    assert "nothing of watched is left" in run.output
    assert deployer.refused() == set()
    assert deployer.not_asked_for("monitoring") == set()


def test_every_statement_for_watching_was_the_only_one_to_allow_something(
    deployer: Deployer,
) -> None:
    [path] = [path for path in deployer.documents if path.stem == "monitoring"]
    statements = {one["Sid"] for one in deployer.documents[path]["Statement"]}
    assert deployer.idle() & statements == deployer.unexercised & statements
