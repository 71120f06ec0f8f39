"""What a deployment's log groups hold, as its hosts would tell it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A line is read here as the servers' hosts read their own journals.
sys.path.append(str(Path(__file__).parents[2] / "roles" / "grpc_server" / "files"))

from grpc_switch.logs import LEVELS, last_minute, parse

from plugins.module_utils.log_times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plugins.module_utils.aws_cloud import Cloud

# How far back is looked, in seconds, until there are enough lines.
_WINDOWS = (60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
_MINUTE = 60
# Requests for one host's last minute; a busier one is not counted line by line.
_MOST_PAGES = 30


@dataclass(frozen=True)
class Wanted:
    """Which lines: the last ones of those that pass; times in journalctl's words."""

    lines: int
    since: str = ""
    until: str = ""
    request_id: str = ""
    level: str = ""

    @property
    def pattern(self) -> str:
        """The same in CloudWatch's words."""
        terms = [f'($.request_id = "{self.request_id}")'] if self.request_id else []
        if self.level:
            levels = (f'($.level = "{one}")' for one in LEVELS[LEVELS.index(self.level) :])
            terms.append(f"({' || '.join(levels)})")
        return f"{{ {' && '.join(terms)} }}" if terms else ""


class CloudLogs:
    """The groups of one deployment's servers and clients; its units' names begin with `service`."""

    def __init__(self, cloud: Cloud, server: str, client: str, service: str) -> None:
        self._logs = cloud.logs
        self._units = {server: f"{service}@{{}}.service", client: f"{service}-client.service"}

    def entries(self, wanted: Wanted, now: datetime | None = None) -> list[dict[str, Any]]:
        """Return the last entries of all hosts, the oldest first, as the hosts would."""
        now = now or datetime.now(UTC)
        since, until = moment(wanted.since, now), moment(wanted.until, now) or now
        found: list[dict[str, Any]] = []
        end = until
        for begin in _beginnings(since, until):
            part = [
                one for group in self._units for one in self._between(group, begin, end, wanted)
            ]
            found = sorted(part, key=_time) + found
            if len(found) >= wanted.lines:
                break
            end = begin
        return found[-wanted.lines :]

    def last_minute(self, host: str, now: datetime | None = None) -> dict[str, Any]:
        """Count a server's calls of the last minute, as `grpc-switch report` does."""
        now = now or datetime.now(UTC)
        group = next(iter(self._units))
        begin = datetime.fromtimestamp(now.timestamp() - _MINUTE, UTC)
        found: list[dict[str, Any]] = []
        unknown = {}
        asked = {"logStreamNames": [host], "filterPattern": '{ $.event = "call" }'}
        for number, page in enumerate(self._pages(group, begin, now, asked)):
            if number == _MOST_PAGES:
                unknown = {"unknown": "there are more calls than are counted one by one"}
                break
            found += (self._entry(group, event) for event in page)
        return {"seconds": _MINUTE, **last_minute(found), **unknown}

    def _between(
        self, group: str, begin: datetime, end: datetime, wanted: Wanted
    ) -> Iterator[dict[str, Any]]:
        asked = {"filterPattern": wanted.pattern} if wanted.pattern else {}
        for page in self._pages(group, begin, end, asked):
            yield from (self._entry(group, event) for event in page)

    def _pages(
        self, group: str, begin: datetime, end: datetime, asked: Mapping[str, Any]
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Yield pages of events from `begin` up to and not with `end`."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            startTime=_milliseconds(begin),
            endTime=_milliseconds(end) - 1,
            **asked,
        )
        yield from (page["events"] for page in pages)

    def _entry(self, group: str, event: Mapping[str, Any]) -> dict[str, Any]:
        line = {
            "MESSAGE": event["message"],
            "__REALTIME_TIMESTAMP": str(event["timestamp"] * 1000),
        }
        entry = parse(json.dumps(line))
        fields = entry["fields"]
        if entry["message"] == "log" and "unit" in fields:
            # What others said of a unit; the shipper put it into the form of the service's lines.
            return {
                "host": event["logStreamName"],
                **entry,
                "unit": fields["unit"],
                "message": fields.get("message", ""),
                "fields": {},
            }
        unit = self._units[group].format(fields.get("release", ""))
        return {"host": event["logStreamName"], **entry, "unit": unit}


def _beginnings(since: datetime | None, until: datetime) -> Iterator[datetime]:
    """Yield where to begin to look, further back each time."""
    earliest = since or datetime.fromtimestamp(0, UTC)
    for seconds in _WINDOWS:
        begin = datetime.fromtimestamp(until.timestamp() - seconds, UTC)
        if begin <= earliest:
            break
        yield begin
    yield earliest


def _milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _time(entry: Mapping[str, Any]) -> str:
    return str(entry["time"])
