"""Compiles the records of a cloud into the router's ruleset: pure, no side effects.

Order of a packet between hosts: sender's egress rules on the address it dialled, public
addresses turned into private ones, receiver's ingress rules on the address it sees.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from localcloud.settings import METADATA_ADDRESS, Settings

Rule = Mapping[str, Any]
_KNOWN = "ct state established,related accept"
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "-1": "all"}


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


@dataclass(frozen=True)
class Group:
    """A security group: its rules as the EC2 API spells them."""

    ingress: Sequence[Rule] = field(default_factory=tuple)
    egress: Sequence[Rule] = field(default_factory=tuple)


def _service(rule: Rule) -> str:
    protocol = str(rule.get("IpProtocol", "-1")).lower()
    protocol = _PROTOCOLS.get(protocol, protocol)
    first, last = int(rule.get("FromPort", -1)), int(rule.get("ToPort", -1))
    if protocol == "all":
        return ""
    if protocol == "icmp":
        kind = f"icmp type {first} " if first >= 0 else "ip protocol icmp "
        return kind + (f"icmp code {last} " if first >= 0 and last >= 0 else "")
    if protocol in ("tcp", "udp"):
        ports = f"dport {first}-{last} " if first >= 0 else "dport 0-65535 "
        return f"{protocol} {ports}"
    return f"meta l4proto {protocol} "


def _peers(rule: Rule, members: Mapping[str, list[IPv4Address]]) -> Iterator[str]:
    for entry in rule.get("IpRanges", ()):
        yield str(entry["CidrIp"])
    for pair in rule.get("UserIdGroupPairs", ()):
        yield from map(str, members.get(pair.get("GroupId", ""), ()))


def _accepts(
    rules: Sequence[Rule], side: str, members: Mapping[str, list[IPv4Address]]
) -> Iterator[str]:
    for rule in rules:
        peers = sorted(set(_peers(rule, members)))
        if "0.0.0.0/0" in peers:
            yield f"{_service(rule)}accept"
        elif peers:
            yield f"ip {side} {{ {', '.join(peers)} }} {_service(rule)}accept"


def _chain(name: str, *lines: str) -> str:
    return "\n".join((f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"))


def _map(entries: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{key} : {value}" for key, value in sorted(entries.items())) + " }"


def _name(direction: str, host: Host) -> str:
    return f"{direction}_{host.instance_id.replace('-', '_')}"


def _verdicts(direction: str, hosts: Sequence[Host]) -> tuple[str, ...]:
    if not hosts:
        return ()
    side = "daddr" if direction == "ingress" else "saddr"
    jumps = {str(host.address): f"jump {_name(direction, host)}" for host in hosts}
    return (f"ip {side} vmap {_map(jumps)}",)


def _host_chains(hosts: Sequence[Host], groups: Mapping[str, Group]) -> Iterator[str]:
    members: dict[str, list[IPv4Address]] = {}
    for host in hosts:
        for group in host.groups:
            members.setdefault(group, []).append(host.address)
    for host in hosts:
        own = [groups[group] for group in host.groups if group in groups]
        ingress = [line for group in own for line in _accepts(group.ingress, "saddr", members)]
        egress = [line for group in own for line in _accepts(group.egress, "daddr", members)]
        yield _chain(_name("ingress", host), *ingress, "drop")
        yield _chain(_name("egress", host), *egress, "drop")


def _nat(hosts: Sequence[Host]) -> Iterator[str]:
    public = {str(host.public): str(host.address) for host in hosts if host.public}
    to_private = (f"dnat ip to ip daddr map {_map(public)}",) if public else ()
    private = {value: key for key, value in public.items()}
    source = f"snat ip to ip saddr map {_map(private)}"
    to_public = (f'oifname "uplink" {source}', f"ct status dnat {source}") if public else ()
    yield _chain(
        "to_private", "type nat hook prerouting priority dstnat; policy accept;", *to_private
    )
    yield _chain(
        "to_public",
        "type nat hook postrouting priority srcnat; policy accept;",
        *to_public,
    )


def _router_filters(settings: Settings, hosts: Sequence[Host]) -> Iterator[str]:
    yield _chain(
        "uplink_source",
        "type filter hook prerouting priority raw; policy accept;",
        f'iifname "uplink" ip saddr != {settings.outside_range} drop',
    )
    yield _chain(
        "to_router",
        "type filter hook input priority filter; policy drop;",
        _KNOWN,
        *(f'iifname "h-*" {service}' for service in _services(settings)),
        "icmp type echo-request accept",
    )
    yield _chain(
        "between",
        "type filter hook forward priority filter; policy drop;",
        *(_KNOWN, 'iifname "h-*" oifname "h-*" accept'),
        'iifname "uplink" oifname "h-*" ct status dnat accept',
        *_uplink_senders(hosts),
    )


def _host_filters(settings: Settings, hosts: Sequence[Host]) -> Iterator[str]:
    yield _chain(
        "host_egress",
        "type filter hook prerouting priority mangle; policy accept;",
        *(_KNOWN, 'iifname != "h-*" accept', *_services(settings)),
        *_verdicts("egress", hosts),
        "drop",
    )
    # After source NAT, so that a rule sees a public caller by its public address, as on AWS.
    yield _chain(
        "host_ingress",
        "type filter hook postrouting priority srcnat + 50; policy accept;",
        *(_KNOWN, 'oifname != "h-*" accept'),
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


def compile_rules(settings: Settings, hosts: Sequence[Host], groups: Mapping[str, Group]) -> str:
    """Return the nftables text that replaces the router's whole ruleset.

    Args:
        settings: The cloud.
        hosts: Its hosts; nobody else may send or receive anything.
        groups: Its security groups by id; an unknown group opens nothing.

    """
    ordered = sorted(hosts, key=lambda host: host.instance_id)
    filters = (*_router_filters(settings, ordered), *_host_filters(settings, ordered))
    chains = (*_host_chains(ordered, groups), *filters, *_nat(ordered))
    return "\n".join(("flush ruleset", "table inet localcloud {", *chains, "}", ""))
