"""Nothing of the cloud is reachable from outside this machine."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import Cloud
from tests.localcloud.conftest import Launch
from tests.localcloud.guests import Guest, leaves_by, output

ELSEWHERE = "lc-elsewhere"


@pytest.fixture(scope="module")
def host(launch: Launch) -> Guest:
    return launch().ready()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A namespace that stands for another machine and uses this one as its router.

    This machine forwards for it, as one with containers or a VPN would.
    """
    subprocess.run(["ip", "netns", "add", ELSEWHERE], check=True)
    try:
        output("ip", "link", "add", "elsewhere", "type", "veth", "peer", "eth0", "netns", ELSEWHERE)
        output("ip", "address", "add", "198.51.100.1/24", "dev", "elsewhere")
        output("ip", "link", "set", "elsewhere", "up")
        output("sysctl", "-qw", "net.ipv4.conf.elsewhere.forwarding=1")
        inside = ("ip", "-n", ELSEWHERE)
        output(*inside, "address", "add", "198.51.100.2/24", "dev", "eth0")
        output(*inside, "link", "set", "eth0", "up")
        output(*inside, "route", "add", "default", "via", "198.51.100.1")
        yield ELSEWHERE
    finally:
        # A namespace takes its devices with it, but not at once.
        subprocess.run(["ip", "-n", ELSEWHERE, "link", "delete", "eth0"], check=True)
        subprocess.run(["ip", "netns", "delete", ELSEWHERE], check=True)


def dial_from(namespace: str, address: str, port: int) -> bool:
    assert leaves_by(address, namespace) == "eth0"
    program = f"import socket; socket.create_connection(('{address}', {port}), 1)"
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, "python3", "-c", program],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_the_daemon_listens_on_loopback_only(cloud: Cloud) -> None:
    pid = json.loads(cloud.command("status").stdout)["pid"]
    sockets = [line for line in output("ss", "-Hlntup").splitlines() if f"pid={pid}," in line]
    addresses = {re.split(r"\s+", line)[4] for line in sockets}
    assert addresses == {f"127.0.0.1:{cloud.port}"}


def test_another_machine_reaches_neither_hosts_nor_api(
    cloud: Cloud, host: Guest, elsewhere: str
) -> None:
    assert not dial_from(elsewhere, host.public, 22)
    assert not dial_from(elsewhere, host.private, 22)
    assert not dial_from(elsewhere, f"{cloud.octets}.255.254", cloud.port)
    assert not dial_from(elsewhere, cloud.operator, cloud.port)
    assert not dial_from(elsewhere, "198.51.100.1", cloud.port)


def test_what_another_machine_sends_is_dropped_at_the_router(host: Guest, elsewhere: str) -> None:
    """The packet does arrive at the router: the drop is the router's, not a missing route's."""
    router = leaves_by(host.public)
    capture = (
        "table ip watch {\nchain arriving {\ntype filter hook prerouting priority -400;\n"
        f"ip daddr {host.public} ip saddr 198.51.100.2 counter\n}}\n}}\n"
    )
    inside = ("ip", "netns", "exec", router)
    subprocess.run([*inside, "nft", "-f", "-"], input=capture, text=True, check=True)
    try:
        assert not dial_from(elsewhere, host.public, 22)
        counted = output(*inside, "nft", "list", "table", "ip", "watch")
        assert int(re.findall(r"packets (\d+)", counted)[0]) > 0
    finally:
        subprocess.run([*inside, "nft", "delete", "table", "ip", "watch"], check=False)


def test_no_address_of_the_range_leaves_by_the_default_gateway(cloud: Cloud) -> None:
    link = leaves_by(f"{cloud.octets}.200.10")
    for address in ("0.4", "100.1", "127.255", "128.1", "201.1", "254.254", "255.254"):
        assert leaves_by(f"{cloud.octets}.{address}") in ("", link)


def test_the_router_has_no_default_route(cloud: Cloud) -> None:
    assert output("ip", "-n", f"lc-{cloud.name}", "route", "show", "default") == ""
