"""CloudWatch Logs, through botocore."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from .shipping import NotTakenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .journal import Line

# PutLogEvents' limits: events and bytes in a request, bytes that each event counts besides its
# text, and milliseconds between the first and the last.
MOST_EVENTS = 10_000
MOST_BYTES = 1_048_576
BYTES_AN_EVENT = 26
LONGEST_SPAN = 24 * 3600 * 1000
LONGEST_EVENT = 256 * 1024 - BYTES_AN_EVENT


class CloudWatch:
    """One stream of a group that is there; the stream is made when it is not.

    `endpoint_file` is a file that names another endpoint than the region's, where there is one.
    """

    def __init__(self, region: str, group: str, stream: str, endpoint_file: str = "") -> None:
        import botocore.exceptions
        import botocore.session
        from botocore.config import Config

        self._errors = botocore.exceptions
        self._names = {"logGroupName": group, "logStreamName": stream}
        path = Path(endpoint_file)
        self._logs: Any = botocore.session.get_session().create_client(
            "logs",
            region_name=region,
            endpoint_url=path.read_text().strip() if endpoint_file and path.exists() else None,
            config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1}),
        )

    def take(self, lines: Sequence[Line], say: Callable[[str, str], None]) -> int:
        """Send as many of the lines as a request may have."""
        count = fitting(lines)
        events = [
            {"timestamp": line.time, "message": cut(line.text)}
            for line in sorted(islice(lines, count), key=_time)
        ]
        try:
            self._put(events, say)
        except (self._errors.BotoCoreError, self._errors.ClientError) as error:
            raise NotTakenError(str(error)) from error
        return count

    def _put(self, events: list[dict[str, Any]], say: Callable[[str, str], None]) -> None:
        try:
            answer = self._logs.put_log_events(**self._names, logEvents=events)
        except self._logs.exceptions.ResourceNotFoundException:
            self._logs.create_log_stream(**self._names)
            self._put(events, say)
            return
        except self._logs.exceptions.InvalidParameterException as error:
            if len(events) == 1:
                say("error", f"a line was dropped: {error}")
                return
            half = len(events) // 2
            self._put(events[:half], say)
            self._put(events[half:], say)
            return
        if rejected := answer.get("rejectedLogEventsInfo"):
            say("warning", f"lines are too old or too new for the group: {rejected}")


def fitting(lines: Sequence[Line]) -> int:
    """Return how many of the first lines go into one request."""
    size = 0
    first = last = lines[0].time
    for number, line in enumerate(lines):
        first, last = min(first, line.time), max(last, line.time)
        size += len(cut(line.text).encode()) + BYTES_AN_EVENT
        if number == MOST_EVENTS or size > MOST_BYTES or last - first >= LONGEST_SPAN:
            return number
    return len(lines)


def cut(text: str) -> str:
    """Return as much of a text as an event may have; an event of nothing is refused too."""
    if len(text) * 4 <= LONGEST_EVENT:
        return text or " "
    return text.encode()[:LONGEST_EVENT].decode(errors="ignore")


def _time(line: Line) -> int:
    return line.time
