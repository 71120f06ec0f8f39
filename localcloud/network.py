"""The cloud's wires: one router namespace, one namespace a host, one wire to this machine.

The router has no default route, and this machine has an unreachable route over the whole
range: no packet of the cloud can leave the machine.
"""

import ctypes
import json
import os
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from localcloud.commands import CommandError, run
from localcloud.errors import LocalCloudError
from localcloud.settings import METADATA_ADDRESS, Settings

# Marks the routes that are ours; any number that no routing daemon uses.
ROUTE_PROTOCOL = "201"
_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
T = TypeVar("T")
_ROUTER_SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.default.rp_filter=1",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


def host_link(instance_id: str) -> str:
    """Name of the router's end of a host's wire (15 characters at most)."""
    return f"h-{instance_id[-12:]}"


def _ip(*lines: str, namespace: str = "") -> None:
    target = ("-n", namespace) if namespace else ()
    run("ip", *target, "-batch", "-", stdin="\n".join(lines) + "\n")


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("ip", "-j", *arguments) or "[]")
    return found


def check_range_is_free(settings: Settings) -> None:
    """Refuse a range that this machine already uses for something else.

    Raises:
        LocalCloudError: Names the route in the way and the setting to change.

    """
    for route in _ip_json("-4", "route", "show", "table", "all"):
        with suppress(ValueError):
            if IPv4Network(route["dst"]).overlaps(settings.network):
                where = route.get("dev", "no device")
                raise LocalCloudError(
                    f"The range {settings.network} is in use: this machine routes {route['dst']}"
                    f" to {where}. Choose another: LOCALCLOUD_NETWORK=10.99.0.0/16"
                )


def create(settings: Settings) -> None:
    """Create the router and the wire that joins it to this machine."""
    name, uplink = settings.router, settings.uplink_range
    _ip(f"route add unreachable {settings.network} metric 65535 proto {ROUTE_PROTOCOL}")
    run("ip", "netns", "add", name)
    run("ip", "netns", "exec", name, "sysctl", "-qw", *_ROUTER_SYSCTLS)
    _ip(
        "link set lo up",
        "link add guests type bridge",
        f"address add {METADATA_ADDRESS}/32 dev guests",
        f"address add {settings.api_address}/32 dev guests",
        "link set guests up",
        f"link add uplink type veth peer name {name} netns {os.getpid()}",
        f"address add {settings.router_address}/{uplink.prefixlen} dev uplink",
        "link set uplink up",
        namespace=name,
    )
    _ip(
        f"address add {settings.operator_address}/{uplink.prefixlen} dev {name}",
        f"link set {name} up",
        f"route add {settings.public_range} via {settings.router_address} proto {ROUTE_PROTOCOL}",
    )


def remove(settings: Settings) -> None:
    """Remove every namespace, wire and route of this cloud; what is missing is no error."""
    for path in sorted(_NAMESPACES.glob(f"{settings.router}*")):
        if re.fullmatch(rf"{re.escape(settings.router)}(-i-[0-9a-f]+)?", path.name):
            run("ip", "netns", "delete", path.name)
    with suppress(CommandError):
        run("ip", "link", "delete", settings.router)
    with suppress(CommandError):
        run("ip", "route", "delete", "unreachable", str(settings.network), "proto", ROUTE_PROTOCOL)


def add_host(
    settings: Settings, instance_id: str, address: IPv4Address, subnet: IPv4Network
) -> None:
    """Give a host its namespace, wired to the router; an existing one is left as it is.

    Args:
        settings: The cloud.
        instance_id: The instance that lives in the namespace.
        address: Its private address.
        subnet: The subnet of the address; its first address is the gateway, as on AWS.

    """
    name, link = settings.namespace(instance_id), host_link(instance_id)
    if (_NAMESPACES / name).exists():
        return
    run("ip", "netns", "add", name)
    _ip(
        f"address replace {subnet[1]}/32 dev guests",
        f"link add {link} type veth peer name eth0 address {mac(address)} netns {name}",
        f"link set {link} up",
        f"route replace {address}/32 dev {link}",
        namespace=settings.router,
    )
    _ip(
        "link set lo up",
        "link set eth0 up",
        # No route to the subnet itself: neighbours too are reached through the router's rules.
        f"address add {address}/{subnet.prefixlen} dev eth0 noprefixroute",
        f"route add {subnet[1]} dev eth0",
        f"route add default via {subnet[1]}",
        namespace=name,
    )


def remove_host(settings: Settings, instance_id: str) -> None:
    """Remove a host's namespace and with it its wire."""
    if (_NAMESPACES / settings.namespace(instance_id)).exists():
        run("ip", "netns", "delete", settings.namespace(instance_id))


def add_router_address(settings: Settings, address: str) -> None:
    """Let the router answer for a balancer's private address."""
    _ip(f"address replace {address}/32 dev guests", namespace=settings.router)


def remove_router_address(settings: Settings, address: str) -> None:
    """Take a balancer's private address from the router."""
    _ip(f"address delete {address}/32 dev guests", namespace=settings.router)


def mac(address: IPv4Address) -> str:
    """Return the hardware address of the host with this private address."""
    return "02:00:" + ":".join(f"{part:02x}" for part in address.packed)


def apply_firewall(settings: Settings, rules: str) -> None:
    """Replace the router's ruleset in one transaction."""
    run("ip", "netns", "exec", settings.router, "nft", "-f", "-", stdin=rules)


def listen(settings: Settings, address: IPv4Address, port: int) -> socket.socket:
    """Open a listening TCP socket inside the router's namespace.

    Only the thread that opens it enters the namespace, and it ends at once.
    """

    def opened() -> socket.socket:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((str(address), port))
        server.listen(128)
        return server

    return within(settings.router, opened)


def router_socket(settings: Settings, source: str) -> socket.socket:
    """Return a TCP socket for calls from one of the router's addresses."""

    def opened() -> socket.socket:
        caller = socket.socket()
        caller.bind((source, 0))
        return caller

    return within(settings.router, opened)


def within(namespace: str, action: Callable[[], T]) -> T:
    """Call something in a thread of its own that has entered a namespace."""

    def entered() -> T:
        with (_NAMESPACES / namespace).open() as handle:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"entering the namespace {namespace}")
        return action()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(entered).result()
