"""The map file: which release takes new connections, and the nftables rules that send them there.

The first line carries the whole state of the switch as JSON, so that one rename changes the
release in use, the way back and the deadline together.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .config import READINESS_OFFSET
from .system import RefusedError, run, write_atomically

if TYPE_CHECKING:
    from .config import Config

MARK = "# grpc-switch "
# `dnat to :port` keeps the destination address, which `redirect` would change. The table is
# replaced within one transaction: without NAT hooks, even for a moment, connections are reset.
RULES = """\
table inet {name}
delete table inet {name}
table inet {name} {{
  map port {{ type inet_service : inet_service;{elements} }}
  chain from_outside {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local meta l4proto tcp dnat to :tcp dport map @port
  }}
  chain from_host {{
    type nat hook output priority -100; policy accept;
    fib daddr type local meta l4proto tcp dnat to :tcp dport map @port
  }}
  chain direct {{
    type filter hook input priority filter; policy accept;
    iifname != "lo" tcp dport {{ {direct} }} ct status ! dnat counter drop
  }}
}}
"""


@dataclass(frozen=True)
class Record:
    """The release in use (None on an empty host), its port, and what to go back to.

    `previous` are confirmed releases, the latest first. `confirm_by` is the time, in seconds
    since 1970, after which a provisional switch is undone; None once it is confirmed. `run` is
    the run that made a provisional switch, under which its end is journaled.
    """

    release: str | None = None
    port: int | None = None
    previous: tuple[str, ...] = ()
    confirm_by: float | None = None
    run: str | None = None

    @property
    def provisional(self) -> bool:
        """Whether the release in use still waits for its confirmation."""
        return self.confirm_by is not None


def render(config: Config, record: Record) -> str:
    """Return the map file's text."""
    pairs = config.ports(record.port).items() if record.port else ()
    listed = ", ".join(f"{public} : {own}" for public, own in pairs)
    elements = f" elements = {{ {listed} }};" if listed else ""
    offsets = [0, READINESS_OFFSET] if config.readiness_port else [0]
    first, last = config.pool
    direct = ", ".join(f"{first + offset}-{last + offset}" for offset in offsets)
    rules = RULES.format(name=config.name, elements=elements, direct=direct)
    return f"{MARK}{json.dumps(asdict(record))}\n{rules}"


def read(config: Config) -> Record:
    """Return what the map file says; a host without one has an empty record."""
    try:
        first, _, _ = config.map_file.read_text().partition("\n")
    except FileNotFoundError:
        return Record()
    try:
        values = json.loads(first.replace(MARK, "", 1))
        return Record(**{**values, "previous": tuple(values["previous"])})
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedError(
            f"{config.map_file} was changed by hand: {error}. Move it away and switch again"
        ) from error


def write(config: Config, record: Record) -> None:
    """Replace the map file by rules that nft accepts; nothing is loaded."""
    text = render(config, record)
    accepted = config.map_file.exists() and _rules(config.map_file.read_text()) == _rules(text)
    check = None if accepted else lambda fresh: run("nft", "--check", "--file", fresh)
    write_atomically(config.map_file, text, validate=check)


def load(config: Config) -> None:
    """Load the map file into the kernel in one transaction."""
    run("nft", "--file", config.map_file)
    if not is_loaded(config):
        raise RefusedError(f"nft loaded {config.map_file}, but the kernel maps to something else")


def loaded(config: Config) -> dict[int, int]:
    """Return where the kernel leads the public ports; nothing without a table or an entry."""
    return _pairs(run("nft", "list", "map", "inet", config.name, "port", check=False))


def written(config: Config) -> dict[int, int]:
    """Return where the map file leads them, which an earlier program may have written."""
    return _pairs(config.map_file.read_text()) if config.map_file.exists() else {}


def is_loaded(config: Config) -> bool:
    """Whether the kernel's map is the file's."""
    return not config.map_file.exists() or loaded(config) == written(config)


def _rules(text: str) -> str:
    """Return a map file's text without its record."""
    return text.partition("\n")[2]


def _pairs(text: str) -> dict[int, int]:
    return {int(public): int(own) for public, own in re.findall(r"\b(\d+) : (\d+)", text)}
