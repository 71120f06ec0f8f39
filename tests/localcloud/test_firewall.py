"""From records to the router's ruleset."""

import subprocess
from ipaddress import IPv4Address
from typing import Any

import pytest

from localcloud.firewall import Host, compile_rules
from localcloud.nft import Group
from localcloud.settings import Settings

WEB = Host("i-1", IPv4Address("10.42.0.4"), ("sg-web",), IPv4Address("10.42.200.10"))
CLIENT = Host("i-2", IPv4Address("10.42.0.5"), ("sg-client",))


def rule(protocol: str, first: int = -1, last: int = -1, **source: Any) -> dict[str, Any]:
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, **source}


def cidr(*blocks: str) -> dict[str, Any]:
    return {"IpRanges": [{"CidrIp": block} for block in blocks]}


def chain(name: str, rules: str) -> list[str]:
    body = rules.split(f"  chain {name} {{\n")[1].split("\n  }")[0]
    return [line.strip() for line in body.splitlines()]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rule("tcp", 443, 443, **cidr("0.0.0.0/0")), "tcp dport 443-443 accept"),
        (
            rule("17", 53, 60, **cidr("10.0.0.0/8")),
            "ip saddr { 10.0.0.0/8 } udp dport 53-60 accept",
        ),
        (rule("icmp", **cidr("0.0.0.0/0")), "ip protocol icmp accept"),
        (rule("icmp", 8, 0, **cidr("0.0.0.0/0")), "icmp type 8 icmp code 0 accept"),
        (rule("-1", **cidr("1.2.3.4/32")), "ip saddr { 1.2.3.4/32 } accept"),
        (
            rule("tcp", 22, 22, UserIdGroupPairs=[{"GroupId": "sg-client"}]),
            "ip saddr { 10.42.0.5 } tcp dport 22-22 accept",
        ),
    ],
)
def test_an_ingress_rule_opens_exactly_what_it_names(given: dict[str, Any], expected: str) -> None:
    rules = compile_rules(Settings(), [WEB, CLIENT], {"sg-web": Group(ingress=(given,))})
    assert chain("ingress_i_1", rules) == [expected, "drop"]


def test_a_host_without_rules_receives_and_sends_nothing() -> None:
    rules = compile_rules(Settings(), [WEB], {})
    assert chain("ingress_i_1", rules) == ["drop"]
    assert chain("egress_i_1", rules) == ["drop"]


def test_a_rule_for_a_group_without_members_opens_nothing() -> None:
    empty = rule("tcp", 22, 22, UserIdGroupPairs=[{"GroupId": "sg-nobody"}])
    rules = compile_rules(Settings(), [WEB], {"sg-web": Group(ingress=(empty,))})
    assert chain("ingress_i_1", rules) == ["drop"]


def test_an_egress_rule_limits_what_a_host_may_call() -> None:
    group = Group(egress=(rule("tcp", 443, 443, **cidr("10.9.0.0/16")),))
    rules = compile_rules(Settings(), [WEB], {"sg-web": group})
    assert chain("egress_i_1", rules)[0] == "ip daddr { 10.9.0.0/16 } tcp dport 443-443 accept"


def test_only_hosts_with_a_public_address_are_translated() -> None:
    rules = compile_rules(Settings(), [WEB, CLIENT], {})
    assert "dnat ip to ip daddr map { 10.42.200.10 : 10.42.0.4 }" in rules
    assert "snat ip to ip saddr map { 10.42.0.4 : 10.42.200.10 }" in rules


def test_an_outage_of_the_api_ends_open_connections_too() -> None:
    rules = compile_rules(Settings(), [WEB], {}, outage=True)
    outage = 'iifname "h-*" ip daddr 10.42.255.254 tcp dport 4566 drop'
    assert chain("host_egress", rules)[1] == outage
    assert outage not in compile_rules(Settings(), [WEB], {})


def test_the_kernel_accepts_what_is_compiled() -> None:
    every = Group(
        ingress=(
            rule("tcp", 1, 65535, **cidr("0.0.0.0/0")),
            rule("icmp", 8, -1, **cidr("10.0.0.0/8", "192.168.0.0/16")),
            rule("50", **cidr("10.1.0.0/16")),
        ),
        egress=(rule("-1", **cidr("0.0.0.0/0")),),
    )
    rules = compile_rules(Settings(), [WEB, CLIENT], {"sg-web": every, "sg-client": every})
    checked = subprocess.run(
        ["nft", "--check", "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
