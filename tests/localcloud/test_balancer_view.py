"""From records and targets to what the router is told."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from localcloud.balancer_rules import Balancer, Endpoint, Node, Route
from localcloud.balancer_target import CHECKING, DRAINING, HEALTHY, UNHEALTHY, Health, Target
from localcloud.balancer_view import balancer

CROSS_ZONE = "load_balancing.cross_zone.enabled"
CUT = "target_health_state.unhealthy.connection_termination.enabled"
NODES = {
    "a": Node(IPv4Address("10.42.0.9"), IPv4Address("10.42.200.20")),
    "b": Node(IPv4Address("10.42.16.9"), IPv4Address("10.42.200.21")),
}
RECORD = {
    "LoadBalancerArn": "arn/x",
    "SecurityGroups": ["sg-nlb"],
    "_nodes": [
        {"zone": zone, "private": str(node.private), "public": str(node.public)}
        for zone, node in NODES.items()
    ],
}


class Store(dict[tuple[str, str], Any]):
    """A store of the emulator."""

    def to_dict(self) -> dict[tuple[str, str], Any]:
        return dict(self)

    def all_values(self) -> list[Any]:
        return list(self.values())


class Records:
    """A listener on port 80, and the attributes that matter."""

    def __init__(self, **attributes: str) -> None:
        listener = {
            "LoadBalancerArn": "arn/x",
            "Port": 80,
            "DefaultActions": [{"TargetGroupArn": "group"}],
        }
        own = {CROSS_ZONE: "true", "preserve_client_ip.enabled": "false", CUT: "true"}
        own |= attributes
        self._listeners = Store({("", "listener"): listener})
        self._lb_attrs = Store({("", "arn/x"): [{"Key": CROSS_ZONE, "Value": "false"}]})
        self._tg_attrs = Store(
            {("", "group"): [{"Key": key, "Value": value} for key, value in own.items()]}
        )


class Registry:
    """Targets whose health is what their checks say."""

    def __init__(self, *targets: Target, ended: frozenset[Endpoint] = frozenset()) -> None:
        self._targets = list(targets)
        self._ended = ended

    def of(self, group: str) -> list[Target]:
        assert group == "group"
        return self._targets

    def health(self, target: Target) -> Health:
        return target.health if target.ends is None else DRAINING

    def ended(self, group: str) -> set[Endpoint]:
        assert group == "group"
        return set(self._ended)


def target(number: int, health: Health, zone: str = "a", state: str = "running") -> Target:
    instance = {
        "PrivateIpAddress": f"10.42.0.{number}",
        "Placement": {"AvailabilityZone": zone},
        "State": {"Name": state},
    }
    return Target("group", instance, 8080, health)


def compiled(registry: Registry, **attributes: str) -> Balancer:
    return balancer(Records(**attributes), RECORD, registry)


def only_route(*targets: Target, ended: frozenset[Endpoint] = frozenset()) -> Route:
    [route] = compiled(Registry(*targets, ended=ended)).routes
    return route


def test_healthy_targets_get_connections_and_unhealthy_ones_lose_theirs() -> None:
    good, bad, new = target(4, HEALTHY), target(5, UNHEALTHY), target(6, CHECKING)
    route = only_route(good, bad, new)
    assert route.targets == (good.endpoint,)
    assert route.ended == (bad.endpoint,)


def test_a_target_that_leaves_keeps_its_connections_unless_it_was_unhealthy() -> None:
    good, well, ill = target(4, HEALTHY), target(5, HEALTHY), target(6, UNHEALTHY)
    well.ends = ill.ends = 1.0
    route = only_route(good, well, ill)
    assert route.targets == (good.endpoint,)
    assert route.ended == (ill.endpoint,)


def test_when_all_are_unhealthy_all_of_them_get_connections() -> None:
    first, second, new = target(4, UNHEALTHY), target(5, UNHEALTHY), target(6, CHECKING)
    route = only_route(first, second, new)
    assert route.targets == (first.endpoint, second.endpoint)
    assert route.ended == ()


def test_a_target_that_was_never_healthy_gets_none() -> None:
    assert only_route(target(4, CHECKING)).targets == ()


def test_connections_of_a_host_that_does_not_run_are_reset() -> None:
    gone = target(4, Health("unused"), state="stopped")
    assert only_route(gone).ended == (gone.endpoint,)


def test_a_target_that_left_and_came_back_keeps_its_connections() -> None:
    back = target(4, HEALTHY)
    gone = Endpoint(IPv4Address("10.42.0.5"), 8080)
    assert only_route(back, ended=frozenset({back.endpoint, gone})).ended == (gone,)


def test_without_termination_an_unhealthy_target_keeps_its_connections() -> None:
    registry = Registry(target(4, HEALTHY), target(5, UNHEALTHY))
    [route] = compiled(registry, **{CUT: "false"}).routes
    assert route.ended == ()


def test_without_cross_zone_each_node_leads_to_its_own_zone() -> None:
    near, far = target(4, HEALTHY), target(5, HEALTHY, "b")
    for own in ("false", "use_load_balancer_configuration"):
        routes = compiled(Registry(near, far), **{CROSS_ZONE: own}).routes
        assert [(one.nodes, one.targets) for one in routes] == [
            ((NODES["a"],), (near.endpoint,)),
            ((NODES["b"],), (far.endpoint,)),
        ]


def test_a_balancer_has_its_name_nodes_and_groups() -> None:
    made = compiled(Registry())
    assert replace(made, routes=()) == Balancer("x", tuple(NODES.values()), ("sg-nlb",), ())
