"""Compiles load balancers into parts of the router's ruleset: pure, no side effects.

A new connection to an address of a balancer passes the balancer's own security groups, is
turned to one target, and leaves from the balancer's private address, unless the client's is
kept. Connection tracking then keeps it on that target whatever the rules say later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from localcloud.nft import KNOWN, Group, Rule, among, blocks, chain, mapping, service, verdicts

# Connections whose client address is replaced; any number that nothing else in the router sets.
_MASKED = 1
_UPLINK, _HOSTS = 'iifname "uplink" ', 'iifname "h-*" '
Members = Mapping[str, Sequence[IPv4Address]]
# Private address of every host with a public one, and that public one.
Callers = Mapping[IPv4Address, IPv4Address]


@dataclass(frozen=True, order=True)
class Endpoint:
    """Where a target listens."""

    address: IPv4Address
    port: int


@dataclass(frozen=True)
class Node:
    """A balancer's addresses in one zone; the public one only where it faces the internet."""

    private: IPv4Address
    public: IPv4Address | None = None

    @property
    def fronts(self) -> tuple[IPv4Address, ...]:
        """The addresses that clients may dial."""
        return (self.private, self.public) if self.public else (self.private,)


@dataclass(frozen=True)
class Route:
    """Where a port leads to.

    Attributes:
        nodes: The nodes of the balancer that it holds for.
        port: The listener's port.
        targets: Who gets new connections, in turn; nobody means that they are refused.
        ended: Whose connections, if any are left, are reset.
        keeps_client: Whether targets see the client's address.

    """

    nodes: tuple[Node, ...]
    port: int
    targets: tuple[Endpoint, ...] = ()
    ended: tuple[Endpoint, ...] = ()
    keeps_client: bool = False


@dataclass(frozen=True)
class Balancer:
    """What the ruleset needs to know about a load balancer.

    Attributes:
        name: Names its chains.
        nodes: One a zone.
        groups: Ids of its security groups; without any, everybody may call it.
        routes: Its listeners.

    """

    name: str
    nodes: tuple[Node, ...]
    groups: tuple[str, ...]
    routes: tuple[Route, ...]

    @property
    def fronts(self) -> tuple[IPv4Address, ...]:
        """The addresses that clients may dial."""
        return tuple(address for node in self.nodes for address in node.fronts)


def _fronts(route: Route) -> list[IPv4Address]:
    return [address for node in route.nodes for address in node.fronts]


def to_targets(balancers: Sequence[Balancer]) -> Iterator[str]:
    """Lines before routing: choose a target for a new connection."""
    for route in (route for balancer in balancers for route in balancer.routes):
        if route.targets:
            choices = {str(n): f"{t.address} . {t.port}" for n, t in enumerate(route.targets)}
            yield (
                f"{among('daddr', _fronts(route))}tcp dport {route.port}"
                f"{'' if route.keeps_client else f' ct mark set {_MASKED}'}"
                f" dnat ip addr . port to numgen inc mod {len(choices)} map {mapping(choices)}"
            )


def from_nodes(balancers: Sequence[Balancer]) -> Iterator[str]:
    """Lines after routing: what was turned to a target comes from the balancer."""
    own = {
        str(front): str(node.private)
        for balancer in balancers
        for node in balancer.nodes
        for front in node.fronts
    }
    if own:
        yield f"ct mark {_MASKED} snat ip to ct original ip daddr map {mapping(own)}"


def _resets(balancers: Sequence[Balancer]) -> Iterator[str]:
    """End the connections of targets that may have none any more; the target may be gone."""
    for route in (route for balancer in balancers for route in balancer.routes):
        if route.ended:
            ended = ", ".join(f"{one.address} . {one.port}" for one in route.ended)
            dialled = f"ct original {among('daddr', _fronts(route))}"
            for side, port in (("daddr", "dport"), ("saddr", "sport")):
                yield (f"{dialled}ip {side} . tcp {port} {{ {ended} }} reject with tcp reset")


def senders(balancers: Sequence[Balancer]) -> tuple[str, ...]:
    """Lines after routing: what balancers may send, by their own egress rules."""
    jumps = {
        str(node.private): f"jump egress_{balancer.name}"
        for balancer in balancers
        if balancer.groups
        for node in balancer.nodes
    }
    return (f"ip saddr vmap {mapping(jumps)}",) if jumps else ()


def chains(
    balancers: Sequence[Balancer], groups: Mapping[str, Group], members: Members, callers: Callers
) -> Iterator[str]:
    """Chains that decide who may open a connection to a balancer.

    Args:
        balancers: The balancers.
        groups: Security groups by id.
        members: Private addresses of each group's members.
        callers: Public addresses of the hosts, by private address.

    """
    entries: dict[str, str] = {}
    for balancer in balancers:
        own = [groups[group] for group in balancer.groups if group in groups]
        rules = [rule for group in own for rule in group.ingress]
        egress = [rule for group in own for rule in group.egress]
        opened = f"goto open_{balancer.name}"
        yield chain(f"open_{balancer.name}", *_open(balancer))
        yield chain(
            f"egress_{balancer.name}", *verdicts(egress, "daddr", members, "return"), "drop"
        )
        if not balancer.groups:
            rules = [{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        inside = (f"{_HOSTS}{line}" for line in verdicts(rules, "saddr", members, opened))
        yield chain(f"inside_{balancer.name}", *inside, "drop")
        outside = (line for rule in rules for line in _outside(rule, callers, opened))
        yield chain(f"outside_{balancer.name}", *outside, "drop")
        for node in balancer.nodes:
            entries[str(node.private)] = f"goto inside_{balancer.name}"
            if node.public:
                entries[str(node.public)] = f"goto outside_{balancer.name}"
    yield chain(
        "to_balancers",
        "type filter hook prerouting priority dstnat - 10; policy accept;",
        KNOWN,
        *((f"ip daddr vmap {mapping(entries)}",) if entries else ()),
    )
    yield chain(
        "to_ended",
        "type filter hook prerouting priority dstnat + 10; policy accept;",
        *_resets(balancers),
    )


def _open(balancer: Balancer) -> Iterator[str]:
    for route in balancer.routes:
        fate = "accept" if route.targets else "reject with tcp reset"
        yield f"{among('daddr', _fronts(route))}tcp dport {route.port} {fate}"
    yield "drop"


def _outside(rule: Rule, callers: Callers, verdict: str) -> Iterator[str]:
    """Compile a rule for the public address: hosts call it by their own public one."""
    named = blocks(rule)
    if named:
        yield f"{_UPLINK}{among('saddr', named)}{service(rule)}{verdict}"
    ranges = [IPv4Network(block) for block in named]
    hosts = [private for private, public in callers.items() if any(public in r for r in ranges)]
    if hosts:
        yield f"{_HOSTS}{among('saddr', hosts)}{service(rule)}{verdict}"
