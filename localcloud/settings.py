"""What can be chosen about a cloud, and everything that follows from it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from localcloud.errors import LocalCloudError

METADATA_ADDRESS = IPv4Address("169.254.169.254")
DEFAULT_NETWORK = IPv4Network("10.42.0.0/16")
RUN_ROOT = Path("/run/localcloud")
STORAGE_ROOT = Path("/var/lib/localcloud")
CACHE_ROOT = Path("/var/cache/localcloud")

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """One cloud of this machine.

    Attributes:
        name: Names its namespaces, containers and folders; 1 to 12 of a-z, 0-9 and "-".
        port: TCP port of the API, on 127.0.0.1 and inside the cloud.
        network: The /16 that holds all of its addresses.
        image: Image that hosts boot; empty for the one built from localcloud/image.

    """

    name: str = "local"
    port: int = 4566
    network: IPv4Network = DEFAULT_NETWORK
    image: str = ""

    def _part(self, offset: str, prefix: int) -> IPv4Network:
        base = int(self.network.network_address) + int(IPv4Address(f"0.0.{offset}"))
        return IPv4Network((base, prefix))

    @property
    def private_range(self) -> IPv4Network:
        """Addresses of hosts; the default VPC covers it."""
        return self._part("0.0", 17)

    @property
    def public_range(self) -> IPv4Network:
        """Elastic and automatic public addresses."""
        return self._part("200.0", 24)

    @property
    def uplink_range(self) -> IPv4Network:
        """The wire between this machine and the cloud's router."""
        return self._part("255.0", 27)

    @property
    def outside_range(self) -> IPv4Network:
        """The addresses that play the internet's clients; the first is the operator's."""
        return self._part("255.0", 28)

    @property
    def operator_address(self) -> IPv4Address:
        """The machine's own address as the cloud's hosts see it."""
        return self.uplink_range[1]

    @property
    def router_address(self) -> IPv4Address:
        """The router's end of the wire."""
        return self.uplink_range[30]

    @property
    def api_address(self) -> IPv4Address:
        """Where hosts reach the API."""
        return self._part("255.254", 32)[0]

    @property
    def router(self) -> str:
        """Name of the router's namespace and of the link that leads to it."""
        return f"lc-{self.name}"

    @property
    def endpoint(self) -> str:
        """URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def guest_endpoint(self) -> str:
        """URL of the API for hosts."""
        return f"http://{self.api_address}:{self.port}"

    @property
    def run_directory(self) -> Path:
        """Log, locks, state and consoles; gone after a reboot."""
        return RUN_ROOT / self.name

    @property
    def daemon_lock(self) -> Path:
        """File that the cloud's daemon has locked for as long as it lives; names its process."""
        return self.run_directory / "daemon.lock"

    def namespace(self, instance_id: str) -> str:
        """Name of a host's network namespace."""
        return f"{self.router}-{instance_id}"

    def console(self, instance_id: str) -> Path:
        """File that collects what a host prints on its console."""
        return self.run_directory / "console" / instance_id


def _network(value: str) -> IPv4Network:
    network = IPv4Network(value)
    if network.prefixlen != 16 or not network.is_private:
        raise ValueError
    return network


def _port(value: str) -> int:
    port = int(value)
    if not 1 <= port <= 65535:
        raise ValueError
    return port


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,11}", value):
        raise ValueError
    return value


def _value(
    environment: Mapping[str, str], key: str, parse: Callable[[str], T], fits: str, default: T
) -> T:
    value = environment.get(key, "")
    if not value:
        return default
    try:
        return parse(value)
    except ValueError as error:
        raise LocalCloudError(f"{key} is {value!r}: it must be {fits}.") from error


def read(environment: Mapping[str, str]) -> Settings:
    """Build the settings from the variables LOCALCLOUD_NAME, _PORT, _NETWORK and _IMAGE.

    Raises:
        LocalCloudError: A value does not fit; the message names variable and value.

    """
    default = Settings()
    return Settings(
        name=_value(
            environment, "LOCALCLOUD_NAME", _name, "1 to 12 of a-z, 0-9 and -", default.name
        ),
        port=_value(environment, "LOCALCLOUD_PORT", _port, "a port, 1 to 65535", default.port),
        network=_value(
            environment,
            "LOCALCLOUD_NETWORK",
            _network,
            "a private /16 such as 10.42.0.0/16",
            default.network,
        ),
        image=environment.get("LOCALCLOUD_IMAGE", default.image),
    )
