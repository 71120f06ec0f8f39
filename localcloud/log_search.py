"""FilterLogEvents: the lines of a log group in the order of their time, page by page."""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from localcloud.log_batches import invalid
from localcloud.log_patterns import Matches
from localcloud.records import Record

_PAGE_BYTES = 1_048_576
_PAGE_EVENTS = 10_000
# How many lines one call looks at: as on AWS, a page may be empty and have a next one.
_LOOKED_AT = 20_000


def search(streams: Mapping[str, Record], matches: Matches, given: Mapping[str, Any]) -> Record:
    """Return one page of what FilterLogEvents answers.

    Args:
        streams: The streams to look into, as the emulator keeps them.
        matches: Says whether a line is wanted.
        given: The call's startTime, endTime, limit and nextToken.

    Raises:
        ApiError: The token is none.

    """
    moment, passed = _position(given)
    limit = min(int(given.get("limit") or _PAGE_EVENTS), _PAGE_EVENTS)
    page: list[Record] = []
    size = 0
    found = islice(_merged(streams, moment, given.get("endTime")), passed, None)
    for looked_at, event in enumerate(found):
        if len(page) == limit or size >= _PAGE_BYTES or looked_at == _LOOKED_AT:
            # Lines that come later do not move it: it is a time and how many of that time are done.
            return {"events": page, "searchedLogStreams": [], "nextToken": f"{moment}/{passed}"}
        passed = passed + 1 if event["timestamp"] == moment else 1
        moment = event["timestamp"]
        if matches(event["message"]):
            page.append(event)
            size += len(event["message"].encode())
    return {"events": page, "searchedLogStreams": []}


def _position(given: Mapping[str, Any]) -> tuple[int, int]:
    token = given.get("nextToken")
    if not token:
        return int(given.get("startTime") or 0), 0
    moment, _, passed = str(token).partition("/")
    if not (moment.isdigit() and passed.isdigit()):
        raise invalid("The specified nextToken is invalid.")
    return int(moment), int(passed)


def _merged(streams: Mapping[str, Record], start: int, end: int | None) -> Iterator[Record]:
    ranges = (_range(name, one["events"], start, end) for name, one in streams.items())
    return heapq.merge(*ranges, key=lambda one: (one["timestamp"], one["ingestionTime"]))


def _range(name: str, events: list[Record], start: int, end: int | None) -> Iterator[Record]:
    first = bisect_left(events, start, key=_time)
    last = len(events) if end is None else bisect_right(events, end, key=_time)
    for index in range(first, last):
        yield {**events[index], "logStreamName": name}


def _time(event: Record) -> int:
    return int(event["timestamp"])
