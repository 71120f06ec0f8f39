"""A fleet whose log is shipped: its hosts' and its client's, also those of hosts that come later.

The order matters.
"""

import json

import pytest

from tests.conftest import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment
from tests.e2e.fleet import Hosts
from tests.localcloud.guests import until
from tests.localcloud.watching import Watched

NAME = "seen"
SECONDS_TO_ALARM = 120
SECONDS_TO_REPLACE = 300


@pytest.fixture(scope="session")
def is_wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--fleet"):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/e2e/test_fleet_watched.py")


@pytest.fixture(scope="module")
def environment(is_wanted: None, new_environment: EnvironmentFactory, cloud: Cloud) -> Environment:
    del is_wanted
    cidr = f"{cloud.octets}.96.0/20"
    return new_environment(NAME, topology="fleet", monitoring=True, stack_vpc_cidr=cidr)


@pytest.fixture
def watched(cloud: Cloud) -> Watched:
    return Watched(cloud, NAME)


@pytest.fixture
def hosts(environment: Environment) -> Hosts:
    return Hosts(environment)


def streams(watched: Watched, kind: str) -> set[str]:
    """Return the hosts that have written to a group."""
    found = watched.logs.describe_log_streams(logGroupName=f"/{NAME}/{kind}")["logStreams"]
    return {one["logStreamName"] for one in found}


def until_state(watched: Watched, name: str, state: str, seconds: float) -> None:
    until(lambda: watched.state(name) == state, f"the alarm {name} is {state}", seconds)


def test_every_host_and_the_client_ship_their_log(
    environment: Environment, watched: Watched
) -> None:
    environment.playbook("site.yml")
    hosts = Hosts(environment)
    assert streams(watched, "server") == hosts.staying()
    assert len(streams(watched, "client") - hosts.staying()) == 1
    for name in ("silent", "client-silent"):
        until_state(watched, name, "OK", 150)


def test_a_second_run_changes_nothing(environment: Environment) -> None:
    assert set(environment.playbook("site.yml").changed.values()) == {0}


def test_a_call_is_found_on_whichever_host_took_it(environment: Environment) -> None:
    made = environment.run("saudacao-client", "--json", "--count", "1", "Ana")
    (wanted,) = json.loads(made.output)["request_ids"]
    words = ("format=json", f"request_id={wanted}", "since=-1h")
    asked = [word for one in words for word in ("-e", one)]

    def found() -> bool:
        entries = json.loads(environment.playbook("playbooks/logs.yml", *asked).output)
        return [entry["fields"]["code"] for entry in entries] == ["OK"]

    until(found, "it is shipped", 60)


def test_a_host_that_is_gone_is_an_alarm_until_another_one_has_come(
    environment: Environment, watched: Watched, hosts: Hosts
) -> None:
    """One that is replaced within a minute may raise none: few lines are missing in each of two."""
    before, gone = hosts.staying(), hosts.oldest().instance
    with hosts.none_launched():
        hosts.aws.ec2.terminate_instances(InstanceIds=[gone])
        until_state(watched, "silent", "ALARM", SECONDS_TO_ALARM)
        run = environment.playbook("playbooks/status.yml", expect=2)
        assert f"alarm {NAME}-silent since" in run.output
    until_state(watched, "silent", "OK", SECONDS_TO_REPLACE)
    (new,) = hosts.staying() - before
    assert new in streams(watched, "server")


def test_a_client_that_calls_no_longer_is_an_alarm(
    environment: Environment, watched: Watched
) -> None:
    until_state(watched, "client-silent", "OK", 60)
    unit = ("ansible.builtin.systemd_service", "-a", "name=saudacao-client state=stopped")
    assert environment.run("ansible", "grpc_clients", "-b", "-m", *unit).code == 0
    until_state(watched, "client-silent", "ALARM", SECONDS_TO_ALARM)
    environment.playbook("site.yml")
    until_state(watched, "client-silent", "OK", 150)


def test_nothing_of_it_is_left(environment: Environment) -> None:
    run = environment.playbook("teardown.yml")
    assert f"removed       the servers' log  /{NAME}/server" in run.output
    assert f"removed       the client's log  /{NAME}/client" in run.output
    assert f"nothing of {NAME} is left" in run.output
