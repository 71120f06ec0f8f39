"""Compiles the records of a cloud into the router's ruleset: pure, no side effects.

Order of a packet between hosts: sender's egress rules on the address it dialled, a balancer's
ingress rules, public addresses turned into private ones, receiver's ingress rules on the
address it sees.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from localcloud import balancer_rules
from localcloud.balancer_rules import Balancer, Members
from localcloud.nft import KNOWN, Group, Rule, among, chain, group_ids, mapping, service, verdicts
from localcloud.settings import METADATA_ADDRESS, Settings


@dataclass(frozen=True)
class Host:
    """What the ruleset needs to know about an instance.

    Attributes:
        instance_id: Names its chains.
        address: Its private address.
        groups: Ids of its security groups.
        public: Its public address, if it has one.

    """

    instance_id: str
    address: IPv4Address
    groups: tuple[str, ...]
    public: IPv4Address | None = None


def _name(direction: str, host: Host) -> str:
    return f"{direction}_{host.instance_id.replace('-', '_')}"


def _verdicts(direction: str, hosts: Sequence[Host]) -> tuple[str, ...]:
    if not hosts:
        return ()
    side = "daddr" if direction == "ingress" else "saddr"
    jumps = {str(host.address): f"jump {_name(direction, host)}" for host in hosts}
    return (f"ip {side} vmap {mapping(jumps)}",)


def _host_chains(
    hosts: Sequence[Host],
    groups: Mapping[str, Group],
    members: Members,
    balancers: Sequence[Balancer],
) -> Iterator[str]:
    for host in hosts:
        own = [groups[group] for group in host.groups if group in groups]
        ingress = [rule for group in own for rule in group.ingress]
        egress = [rule for group in own for rule in group.egress]
        yield chain(
            _name("ingress", host),
            *verdicts(ingress, "saddr", members),
            *_through(ingress, balancers),
            "drop",
        )
        yield chain(_name("egress", host), *verdicts(egress, "daddr", members), "drop")


def _through(rules: Sequence[Rule], balancers: Sequence[Balancer]) -> Iterator[str]:
    """Let in whom a balancer sends as they are, where a rule names the balancer's group."""
    for rule in rules:
        named = set(group_ids(rule))
        fronts = [one for b in balancers if named & set(b.groups) for one in b.fronts]
        if fronts:
            yield f"ct original {among('daddr', fronts)}{service(rule)}accept"


def _members(hosts: Sequence[Host], balancers: Sequence[Balancer]) -> Members:
    members: dict[str, list[IPv4Address]] = {}
    for host in hosts:
        for group in host.groups:
            members.setdefault(group, []).append(host.address)
    for balancer in balancers:
        for group in balancer.groups:
            members.setdefault(group, []).extend(node.private for node in balancer.nodes)
    return members


def _nat(hosts: Sequence[Host], balancers: Sequence[Balancer]) -> Iterator[str]:
    public = {str(host.public): str(host.address) for host in hosts if host.public}
    to_private = (f"dnat ip to ip daddr map {mapping(public)}",) if public else ()
    private = {value: key for key, value in public.items()}
    source = f"snat ip to ip saddr map {mapping(private)}"
    to_public = (f'oifname "uplink" {source}', f"ct status dnat {source}") if public else ()
    yield chain(
        "to_private",
        "type nat hook prerouting priority dstnat; policy accept;",
        *(*to_private, *balancer_rules.to_targets(balancers)),
    )
    yield chain(
        "to_public",
        "type nat hook postrouting priority srcnat; policy accept;",
        *(*balancer_rules.from_nodes(balancers), *to_public),
    )


def _router_filters(settings: Settings, hosts: Sequence[Host]) -> Iterator[str]:
    yield chain(
        "uplink_source",
        "type filter hook prerouting priority raw; policy accept;",
        f'iifname "uplink" ip saddr != {settings.outside_range} drop',
    )
    yield chain(
        "to_router",
        "type filter hook input priority filter; policy drop;",
        KNOWN,
        *(f'iifname "h-*" {line}' for line in _services(settings)),
        "icmp type echo-request accept",
    )
    yield chain(
        "between",
        "type filter hook forward priority filter; policy drop;",
        *(KNOWN, 'iifname "h-*" oifname "h-*" accept'),
        'iifname "uplink" oifname "h-*" ct status dnat accept',
        *_uplink_senders(hosts),
    )


def _host_filters(
    settings: Settings, hosts: Sequence[Host], balancers: Sequence[Balancer], *, outage: bool
) -> Iterator[str]:
    api = f"ip daddr {settings.api_address} tcp dport {settings.port}"
    yield chain(
        "host_egress",
        "type filter hook prerouting priority mangle; policy accept;",
        *((f'iifname "h-*" {api} drop',) if outage else ()),
        *(KNOWN, 'iifname != "h-*" accept', *_services(settings)),
        *_verdicts("egress", hosts),
        "drop",
    )
    # After source NAT, so that a rule sees a public caller by its public address, as on AWS.
    yield chain(
        "host_ingress",
        "type filter hook postrouting priority srcnat + 50; policy accept;",
        *(KNOWN, 'oifname != "h-*" accept', *balancer_rules.senders(balancers)),
        *_verdicts("ingress", hosts),
        "drop",
    )


def _services(settings: Settings) -> tuple[str, str]:
    return (
        f"ip daddr {METADATA_ADDRESS} tcp dport 80 accept",
        f"ip daddr {settings.api_address} tcp dport {settings.port} accept",
    )


def _uplink_senders(hosts: Sequence[Host]) -> tuple[str, ...]:
    senders = sorted(str(host.address) for host in hosts if host.public)
    if not senders:
        return ()
    return (f'iifname "h-*" oifname "uplink" ip saddr {{ {", ".join(senders)} }} accept',)


def compile_rules(
    settings: Settings,
    hosts: Sequence[Host],
    groups: Mapping[str, Group],
    balancers: Sequence[Balancer] = (),
    *,
    outage: bool = False,
) -> str:
    """Return the nftables text that replaces the router's whole ruleset.

    Args:
        settings: The cloud.
        hosts: Its hosts; nobody else may send or receive anything.
        groups: Its security groups by id; an unknown group opens nothing.
        balancers: Its load balancers.
        outage: Whether no packet of a host reaches the API, not even of an open connection.

    """
    ordered = sorted(hosts, key=lambda host: host.instance_id)
    members = _members(ordered, balancers)
    callers = {host.address: host.public for host in ordered if host.public}
    text = (
        *_host_chains(ordered, groups, members, balancers),
        *balancer_rules.chains(balancers, groups, members, callers),
        *_router_filters(settings, ordered),
        *_host_filters(settings, ordered, balancers, outage=outage),
        *_nat(ordered, balancers),
    )
    return "\n".join(("flush ruleset", "table inet localcloud {", *text, "}", ""))
