"""What a deployment costs, as far as its list prices say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOURS = 730
# A balancer has an address in each of the fleet's two zones.
BALANCER_ADDRESSES = 2


@dataclass(frozen=True)
class Cost:
    """One kind of thing: how many there are, and what they cost a month; None: not known."""

    what: str
    count: int
    month: float | None


@dataclass(frozen=True)
class Costs:
    """All that is known of the costs."""

    items: list[Cost]

    @property
    def month(self) -> float:
        """The sum of what is known."""
        return sum(item.month or 0.0 for item in self.items)

    @property
    def unknown(self) -> list[str]:
        """What has no known price."""
        return [item.what for item in self.items if item.month is None]


def costs(
    running: Iterable[str],
    stopped: int,
    prices: Mapping[str, Any],
    *,
    gibibytes: float,
    balanced: bool,
) -> Costs:
    """Return the costs of running instances, by their types, and of what belongs to them."""
    types = Counter(running)
    hosts = types.total() + stopped
    addresses = hosts + (BALANCER_ADDRESSES if balanced else 0)
    hourly = {str(name): float(price) for name, price in prices["instances"].items()}
    items = [
        Cost(f"instance {name or 'of an unknown type'}", count, _month(hourly.get(name), count))
        for name, count in sorted(types.items())
    ]
    if balanced:
        items.append(Cost("load balancer", 1, _month(prices.get("balancer"), 1)))
    items.append(Cost("public IPv4 address", addresses, _month(prices.get("address"), addresses)))
    volume = prices.get("gibibyte_month")
    month = None if volume is None else float(volume) * gibibytes * hosts
    items.append(Cost(f"volume of {gibibytes:g} GiB", hosts, month))
    return Costs([item for item in items if item.count])


def _month(hourly: object, count: int) -> float | None:
    return None if hourly is None else float(str(hourly)) * HOURS * count
