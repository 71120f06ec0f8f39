"""A Network Load Balancer in front of real hosts, as its callers see it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Cloud
from tests.localcloud.balancing import SERVER, Balancer, deployed, name
from tests.localcloud.conftest import Launch
from tests.localcloud.guests import dial, until
from tests.localcloud.stacks import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

FAILED = "Target.FailedHealthChecks"


@pytest.fixture(scope="module")
def stack(cloudformation: "CloudFormationClient", subnets: list[Any]) -> Iterator[Stack]:
    with deployed(cloudformation, "localcloud-balancer", subnets) as stack:
        yield stack


@pytest.fixture(scope="module")
def balancer(elb: Any, stack: Stack, subnets: list[Any], launch: Launch) -> Balancer:
    """A load balancer with a healthy host in each of two zones."""
    shown = stack.outputs()
    hosts = [
        launch(shown["HostGroup"], UserData=SERVER, SubnetId=one["SubnetId"]) for one in subnets[:2]
    ]
    balancer = Balancer(elb, shown["Address"], shown["Balancer"], shown["Targets"], tuple(hosts))
    for host in hosts:
        host.ready()
    balancer.register(*hosts)
    return balancer


@pytest.fixture(autouse=True)
def all_healthy(balancer: Balancer) -> None:
    """Every test begins with two healthy hosts."""
    for host in balancer.hosts:
        balancer.until_health(host, "healthy")
    balancer.until_answering(*balancer.hosts)


def test_new_connections_are_spread_over_the_hosts(balancer: Balancer) -> None:
    calls = Counter(balancer.call().host for _ in range(20))
    assert calls == {name(host): 10 for host in balancer.hosts}


def test_hosts_see_the_balancer_and_let_nobody_else_in(balancer: Balancer, cloud: Cloud) -> None:
    [one, other] = balancer.hosts
    callers = {balancer.call().caller for _ in range(4)}
    assert cloud.operator not in callers
    assert all(caller.startswith(f"{cloud.octets}.0.") for caller in callers), callers
    assert dial(one.public, 8080) == "timeout"
    assert other.dial(one.private, 8080) == "timeout"


def test_hosts_see_the_client_where_its_address_is_kept(balancer: Balancer, cloud: Cloud) -> None:
    balancer.set("preserve_client_ip.enabled", "true")
    until(lambda: balancer.call().caller == cloud.operator, "the client's address is kept", 5)
    assert balancer.answering() == {name(host) for host in balancer.hosts}
    balancer.set("preserve_client_ip.enabled", "false")
    until(lambda: balancer.call().caller != cloud.operator, "it is replaced again", 5)


def test_hosts_reach_themselves_through_the_balancer(balancer: Balancer) -> None:
    [one, _] = balancer.hosts
    program = f"for n in 1 2 3 4; do curl -sSm 2 http://{balancer.address}/ && echo; done"
    answering = {line.split()[0] for line in one.run(program).splitlines()}
    assert answering == {name(host) for host in balancer.hosts}


def test_the_balancers_own_group_decides_who_may_call(balancer: Balancer, stack: Stack) -> None:
    assert dial(balancer.address, 81) == "timeout", "no listener and no rule"
    try:
        assert stack.update(Caller="192.0.2.0/24") == "UPDATE_COMPLETE", stack.reasons()
        until(lambda: dial(balancer.address, 80) == "timeout", "the operator is kept out", 5)
        assert stack.outputs()["Address"] == balancer.address
    finally:
        stack.update()
    until(lambda: dial(balancer.address, 80) == "open", "the operator is let in", 5)


def test_a_draining_host_keeps_its_connections_until_its_delay_ends(balancer: Balancer) -> None:
    [leaving, staying] = balancer.hosts
    connection = balancer.connection_to(leaving)
    balancer.deregister(leaving)
    assert balancer.health(leaving) == ("draining", "Target.DeregistrationInProgress")
    balancer.until_answering(staying)
    assert connection.ask().host == name(leaving)
    balancer.until_health(leaving, "unused", "Target.NotRegistered", 6)
    until(connection.is_reset, "its connection is reset", 5)
    balancer.register(leaving)


def test_an_unhealthy_host_gets_no_calls_unless_all_are(balancer: Balancer) -> None:
    [one, other] = balancer.hosts
    connection = balancer.connection_to(one)
    one.run("sudo systemctl kill --signal=STOP web")
    balancer.until_health(one, "unhealthy", FAILED, 15)
    balancer.until_answering(other)
    assert connection.is_reset()
    for host in balancer.hosts:
        host.run("sudo touch /run/unready; sudo systemctl kill --signal=CONT web")
    balancer.until_health(other, "unhealthy", FAILED, 15)
    assert balancer.health(one) == ("unhealthy", FAILED)
    balancer.until_answering(one, other)
    for host in balancer.hosts:
        host.run("sudo rm /run/unready")


def test_a_host_that_goes_down_leaves_at_once(balancer: Balancer) -> None:
    [one, other] = balancer.hosts
    one.ssh("sudo systemctl poweroff")
    balancer.until_health(one, "unused", "Target.InvalidState")
    balancer.until_answering(other)
