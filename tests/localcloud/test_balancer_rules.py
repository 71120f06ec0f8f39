"""From load balancers to the router's ruleset."""

import subprocess
from ipaddress import IPv4Address
from typing import Any

from localcloud.balancer_rules import Balancer, Endpoint, Node, Route
from localcloud.firewall import Host, compile_rules
from localcloud.nft import Group
from localcloud.settings import Settings
from tests.localcloud.test_firewall import chain, cidr, rule

HOST = Host("i-1", IPv4Address("10.42.0.4"), ("sg-host",), IPv4Address("10.42.200.10"))
NODE = Node(IPv4Address("10.42.0.9"), IPv4Address("10.42.200.20"))
OTHER_NODE = Node(IPv4Address("10.42.16.9"), IPv4Address("10.42.200.21"))
A, B = Endpoint(IPv4Address("10.42.0.4"), 8080), Endpoint(IPv4Address("10.42.16.4"), 8080)
BOTH = (NODE, OTHER_NODE)
FRONTS = "{ 10.42.0.9, 10.42.16.9, 10.42.200.20, 10.42.200.21 }"
OPEN = Group(ingress=(rule("tcp", 80, 80, **cidr("0.0.0.0/0")),))


def balancer(*routes: Route, groups: tuple[str, ...] = ("sg-nlb",)) -> Balancer:
    return Balancer("x", BOTH, groups, routes)


def compiled(one: Balancer, **groups: Group) -> str:
    named = {name.replace("_", "-"): group for name, group in groups.items()}
    return compile_rules(Settings(), [HOST], named, [one])


def test_new_connections_go_to_the_targets_in_turn() -> None:
    rules = compiled(balancer(Route(BOTH, 80, (A, B))))
    assert chain("to_private", rules)[-1] == (
        f"ip daddr {FRONTS} tcp dport 80 ct mark set 1 dnat ip addr . port to numgen inc mod 2"
        " map { 0 : 10.42.0.4 . 8080, 1 : 10.42.16.4 . 8080 }"
    )


def test_more_than_ten_targets_keep_their_numbers() -> None:
    many = tuple(Endpoint(IPv4Address(f"10.42.0.{n}"), 8080) for n in range(20, 32))
    [line] = [
        one
        for one in chain("to_private", compiled(balancer(Route(BOTH, 80, many))))
        if "numgen" in one
    ]
    assert "mod 12" in line
    assert "11 : 10.42.0.31 . 8080" in line


def test_targets_see_the_node_that_was_dialled() -> None:
    rules = compiled(balancer(Route(BOTH, 80, (A,))))
    assert chain("to_public", rules)[1] == (
        "ct mark 1 snat ip to ct original ip daddr map { 10.42.0.9 : 10.42.0.9,"
        " 10.42.16.9 : 10.42.16.9, 10.42.200.20 : 10.42.0.9, 10.42.200.21 : 10.42.16.9 }"
    )


def test_a_client_that_is_kept_is_not_marked_for_replacement() -> None:
    rules = compiled(balancer(Route(BOTH, 80, (A,), keeps_client=True)))
    assert "ct mark set" not in rules


def test_a_port_without_targets_is_refused_and_one_without_listener_dropped() -> None:
    rules = compiled(balancer(Route(BOTH, 80)))
    assert chain("open_x", rules) == [
        f"ip daddr {FRONTS} tcp dport 80 reject with tcp reset",
        "drop",
    ]
    assert "numgen" not in rules


def test_connections_that_are_over_are_reset_in_both_directions() -> None:
    rules = compiled(balancer(Route(BOTH, 80, (A,), ended=(B,))))
    dialled = f"ct original ip daddr {FRONTS}"
    assert chain("to_ended", rules)[1:] == [
        f"{dialled} ip daddr . tcp dport {{ 10.42.16.4 . 8080 }} reject with tcp reset",
        f"{dialled} ip saddr . tcp sport {{ 10.42.16.4 . 8080 }} reject with tcp reset",
    ]


def test_without_security_groups_everybody_may_call_but_from_outside_only_the_public_address() -> (
    None
):
    rules = compiled(balancer(Route(BOTH, 80, (A,)), groups=()))
    assert chain("outside_x", rules) == [
        'iifname "uplink" goto open_x',
        'iifname "h-*" ip saddr { 10.42.0.4 } goto open_x',
        "drop",
    ]
    assert chain("inside_x", rules) == ['iifname "h-*" goto open_x', "drop"]


def test_a_host_calls_the_public_address_by_its_own_public_one() -> None:
    def outside(block: str) -> list[str]:
        group = Group(ingress=(rule("tcp", 80, 80, **cidr(block)),))
        return chain("outside_x", compiled(balancer(Route(BOTH, 80, (A,))), sg_nlb=group))

    by_public = 'iifname "h-*" ip saddr { 10.42.0.4 } tcp dport 80-80 goto open_x'
    assert by_public in outside("10.42.200.10/32")
    assert by_public not in outside("10.42.0.0/17")


def test_a_host_rule_for_the_balancers_group_lets_its_nodes_and_kept_clients_in() -> None:
    by_group = rule("tcp", 8080, 8080, UserIdGroupPairs=[{"GroupId": "sg-nlb"}])
    rules = compiled(balancer(Route(BOTH, 80, (A,))), sg_host=Group(ingress=(by_group,)))
    assert chain("ingress_i_1", rules) == [
        "ip saddr { 10.42.0.9, 10.42.16.9 } tcp dport 8080-8080 accept",
        f"ct original ip daddr {FRONTS} tcp dport 8080-8080 accept",
        "drop",
    ]


def test_the_balancers_egress_rules_limit_what_it_may_send() -> None:
    group = Group(egress=(rule("tcp", 8080, 8080, **cidr("10.42.0.0/17")),))
    rules = compiled(balancer(Route(BOTH, 80, (A,))), sg_nlb=group)
    assert chain("egress_x", rules) == [
        "ip daddr { 10.42.0.0/17 } tcp dport 8080-8080 return",
        "drop",
    ]
    jumps = "{ 10.42.0.9 : jump egress_x, 10.42.16.9 : jump egress_x }"
    assert f"ip saddr vmap {jumps}" in chain("host_ingress", rules)


def test_the_kernel_accepts_what_is_compiled() -> None:
    by_group: Any = rule("tcp", 8080, 8080, UserIdGroupPairs=[{"GroupId": "sg-nlb"}])
    inner = Balancer("y", (Node(IPv4Address("10.42.0.8")),), (), (Route((OTHER_NODE,), 81, (B,)),))
    rules = compile_rules(
        Settings(),
        [HOST],
        {"sg-nlb": OPEN, "sg-host": Group(ingress=(by_group,), egress=(by_group,))},
        [
            balancer(
                Route((NODE,), 80, (A,), (B,)),
                Route((OTHER_NODE,), 80, (A, B), keeps_client=True),
                Route(BOTH, 81),
            ),
            inner,
        ],
    )
    checked = subprocess.run(
        ["nft", "--check", "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
