"""Words of nftables: security group rules, chains and maps as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

Rule = Mapping[str, Any]
KNOWN = "ct state established,related accept"
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "-1": "all"}


@dataclass(frozen=True)
class Group:
    """A security group: its rules as the EC2 API spells them."""

    ingress: Sequence[Rule] = field(default_factory=tuple)
    egress: Sequence[Rule] = field(default_factory=tuple)


def service(rule: Rule) -> str:
    """Return the match for a rule's protocol and ports; it ends with a space unless empty."""
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


def blocks(rule: Rule) -> list[str]:
    """Return the address ranges that a rule names."""
    return [str(entry["CidrIp"]) for entry in rule.get("IpRanges", ())]


def group_ids(rule: Rule) -> list[str]:
    """Return the security groups that a rule names."""
    return [str(pair.get("GroupId", "")) for pair in rule.get("UserIdGroupPairs", ())]


def among(side: str, peers: Iterable[object]) -> str:
    """Return the match for an address among several; it ends with a space unless all match."""
    named = sorted(set(map(str, peers)))
    return "" if "0.0.0.0/0" in named else f"ip {side} {{ {', '.join(named)} }} "


def verdicts(
    rules: Sequence[Rule],
    side: str,
    members: Mapping[str, Sequence[IPv4Address]],
    verdict: str = "accept",
) -> Iterator[str]:
    """Return one line for each rule that names somebody.

    Args:
        rules: The rules of one direction.
        side: Which address is the peer's, saddr or daddr.
        members: Addresses by security group.
        verdict: What happens to a packet that a rule names.

    """
    for rule in rules:
        named = (members.get(group, ()) for group in group_ids(rule))
        peers = [*blocks(rule), *(address for each in named for address in each)]
        if peers:
            yield f"{among(side, peers)}{service(rule)}{verdict}"


def chain(name: str, *lines: str) -> str:
    """Return a chain."""
    return "\n".join((f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"))


def mapping(entries: Mapping[str, str]) -> str:
    """Return a map's elements."""
    return "{ " + ", ".join(f"{key} : {value}" for key, value in sorted(entries.items())) + " }"
