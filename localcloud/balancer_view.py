"""Load balancers as the router needs to know them."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any, Protocol

from localcloud.balancer_attributes import values
from localcloud.balancer_rules import Balancer, Endpoint, Node, Route
from localcloud.balancer_target import UNHEALTHY, Health, Target
from localcloud.records import Record


class Registry(Protocol):
    """Who is registered, and how they are."""

    def of(self, group: str) -> list[Target]:
        """Return the targets of a group, draining ones too."""

    def health(self, target: Target) -> Health:
        """Return how a target is at this moment."""

    def ended(self, group: str) -> set[Endpoint]:
        """Return who left a group lately with a deregistration that ends connections."""


def by_name(store: Any) -> dict[str, Any]:
    """Return what all accounts and regions have in one of the emulator's stores."""
    return {key[-1]: record for key, record in store.to_dict().items()}


def balancer(alb: Any, record: Record, registry: Registry) -> Balancer:
    """Compile a load balancer's record with its listeners and their targets.

    Args:
        alb: The emulator's records.
        record: The load balancer.
        registry: The targets.

    """
    arn = record["LoadBalancerArn"]
    nodes = {
        node["zone"]: Node(
            IPv4Address(node["private"]), IPv4Address(node["public"]) if node["public"] else None
        )
        for node in record["_nodes"]
    }
    across = values(by_name(alb._lb_attrs)[arn])["load_balancing.cross_zone.enabled"]
    routes = [
        route
        for listener in alb._listeners.all_values()
        if listener["LoadBalancerArn"] == arn
        for route in _routes(alb, listener, nodes, across, registry)
    ]
    name, groups = arn.rpartition("/")[2], tuple(record["SecurityGroups"])
    return Balancer(name, tuple(nodes.values()), groups, tuple(routes))


def _routes(
    alb: Any, listener: Record, nodes: dict[str, Node], across: str, registry: Registry
) -> Iterator[Route]:
    group = listener["DefaultActions"][0]["TargetGroupArn"]
    attributes = values(by_name(alb._tg_attrs)[group])
    own = attributes["load_balancing.cross_zone.enabled"]
    whole = (across if own == "use_load_balancer_configuration" else own) == "true"
    for zones in [sorted(nodes)] if whole else [[zone] for zone in sorted(nodes)]:
        near = [target for target in registry.of(group) if target.zone in zones]
        targets = _routed(near, registry)
        cut = attributes["target_health_state.unhealthy.connection_termination.enabled"] == "true"
        ended = _over(near, cut=cut) | registry.ended(group)
        yield Route(
            tuple(nodes[zone] for zone in zones),
            listener["Port"],
            tuple(sorted(targets)),
            tuple(sorted(ended - set(targets))),
            attributes["preserve_client_ip.enabled"] == "true",
        )


def _routed(targets: list[Target], registry: Registry) -> list[Endpoint]:
    """Return the healthy ones; without any, those that are known to be unhealthy."""
    for wanted in ("healthy", "unhealthy"):
        found = [one.endpoint for one in targets if registry.health(one).state == wanted]
        if found:
            return found
    return []


def _over(targets: list[Target], *, cut: bool) -> set[Endpoint]:
    """Return whose connections are to be reset: those that do not run, and unhealthy ones.

    One that was unhealthy when its deregistration began is no better for it.
    """
    return {one.endpoint for one in targets if not one.runs or (cut and one.health == UNHEALTHY)}
