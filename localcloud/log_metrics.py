"""Metric filters: metrics made of the lines of a log group."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.log_batches import invalid
from localcloud.log_patterns import compiled, is_json, is_selector, number, selected
from localcloud.records import Record
from localcloud.seams import Emulator

_MINUTE = 60
_REMEMBERED = 5
_DIMENSIONS = 3


def check_transformation(given: Mapping[str, Any]) -> None:
    """Check what PutMetricFilter makes of a match.

    Raises:
        ApiError: AWS would refuse it.

    """
    made = given.get("metricTransformations") or []
    if len(made) != 1:
        raise invalid("Exactly one metric transformation must be given.")
    [one] = made
    for key in ("metricName", "metricNamespace"):
        name = one.get(key) or ""
        if not 1 <= len(name) <= 255 or set(name) & set(":*$"):
            raise invalid(f"Value '{name}' at '{key}' must be 1 to 255 characters without : * $")
    if one["metricNamespace"].startswith("AWS/"):
        raise invalid("The namespace AWS/ is reserved.")
    value, fields = str(one.get("metricValue") or ""), is_json(given.get("filterPattern") or "")
    if number(value) is None and not (fields and is_selector(value)):
        raise invalid(
            f"Invalid metric transformation: metricValue '{value}' is neither a number nor a field"
            " of the pattern."
        )
    _check_dimensions(one, fields)


def _check_dimensions(made: Mapping[str, Any], fields: bool) -> None:
    dimensions = made.get("dimensions") or {}
    if dimensions and not fields:
        raise invalid("The specified filter pattern does not support dimensions")
    if dimensions and made.get("defaultValue") is not None:
        raise invalid("The default value cannot be given together with dimensions.")
    if len(dimensions) > _DIMENSIONS or not all(map(is_selector, dimensions.values())):
        raise invalid(f"Dimensions must be at most {_DIMENSIONS} fields of the pattern.")


class LogMetrics:
    """Adds to the emulator's metrics what filters find in lines."""

    def __init__(self, emulator: Emulator) -> None:
        self._cloudwatch = emulator.cloudwatch
        self._responses = emulator.responses
        # The points of the last minutes by metric, minute and value.
        self._counted: dict[tuple[str, ...], dict[int, dict[float, Record]]] = {}

    def count(self, filters: Sequence[Record], events: Sequence[Record]) -> None:
        """Count what filters find in events.

        Args:
            filters: Metric filters as the emulator keeps them.
            events: Log events, each with timestamp and message.

        """
        for event in events:
            for one in filters:
                self._count(one, event)

    def _count(self, metric_filter: Record, event: Record) -> None:
        message = event["message"]
        [made] = metric_filter["metricTransformations"]
        dimensions: dict[str, str] | None = {}
        if compiled(metric_filter["filterPattern"])(message):
            value = _value(made["metricValue"], message)
            dimensions = _dimensions(made, message)
        else:
            value = made.get("defaultValue")
        if value is not None and dimensions is not None:
            minute = event["timestamp"] // 1000 // _MINUTE * _MINUTE
            self._add(made, minute, float(value), dimensions)

    def _add(self, made: Record, minute: int, value: float, dimensions: dict[str, str]) -> None:
        """Count a value in its minute, as AWS does: equal ones of a minute are one point."""
        key = (made["metricNamespace"], made["metricName"], self._cloudwatch._dims_key(dimensions))
        bucket = self._cloudwatch._metric_bucket(key)
        scoped = (self._responses.get_account_id(), self._responses.get_region(), *key)
        if not bucket:
            self._counted.pop(scoped, None)
        minutes = self._counted.setdefault(scoped, {})
        points = minutes.setdefault(minute, {})
        if value in points:
            points[value]["Count"] += 1.0
            return
        points[value] = {
            "Timestamp": float(minute),
            "Value": value,
            "Count": 1.0,
            "Unit": made.get("unit") or "None",
            "Dimensions": dimensions,
        }
        bucket.append(points[value])
        # What comes for a forgotten minute makes points of its own.
        for old in sorted(minutes)[:-_REMEMBERED]:
            del minutes[old]


def _value(wanted: str, message: str) -> float | None:
    fixed = number(wanted)
    return fixed if fixed is not None else number(selected(wanted, message))


def _dimensions(made: Mapping[str, Any], message: str) -> dict[str, str] | None:
    """Return an event's dimensions, None when a field is missing: then nothing is counted."""
    fields = made.get("dimensions") or {}
    found = {name: selected(field, message) for name, field in fields.items()}
    if any(value is None or isinstance(value, dict | list) for value in found.values()):
        return None
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }
