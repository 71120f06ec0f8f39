"""Writes figures in the OpenMetrics text format, which Prometheus and others read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNITS = ("seconds", "bytes", "days")

Labels = Mapping[str, str]
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True)
class Family:
    """Figures of one name; `samples` are what follows the name, labels, and the value."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, /, **labels: str) -> "Family":
        """Add a figure."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        self.samples.append((suffix, labels, value))
        return self

    def add_histogram(
        self, bounds: Iterable[float], counts: list[int], total: float, /, **labels: str
    ) -> None:
        """Add what was counted in each bucket, the last of which has no bound, and their sum."""
        names = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        for bound, count in zip(names, accumulate(counts), strict=True):
            self.samples.append(("_bucket", {**labels, "le": bound}, count))
        self.samples.append(("_count", labels, sum(counts)))
        self.samples.append(("_sum", labels, total))


def write(families: Iterable[Family]) -> str:
    """Return the text; families without figures are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# TYPE {family.name} {family.kind}")
        unit = family.name.rpartition("_")[2]
        if unit in UNITS:
            lines.append(f"# UNIT {family.name} {unit}")
        lines.append(f"# HELP {family.name} {family.help}")
        lines += [
            f"{family.name}{suffix}{_labels(labels)} {value!r}"
            for suffix, labels, value in family.samples
        ]
    return "\n".join([*lines, "# EOF", ""])


def _labels(labels: Labels) -> str:
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""
