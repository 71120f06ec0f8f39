"""What CloudWatch Logs takes in one PutLogEvents; the limits are those of the API's reference."""

import time
from collections.abc import Sequence

from localcloud.records import ApiError, Record

_BATCH_BYTES = 1_048_576
_EVENT_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_BATCH_EVENTS = 10_000
_HOUR, _DAY = 3_600_000, 86_400_000
_OLDEST = 14 * _DAY
_NEWEST = 2 * _HOUR


def invalid(message: str) -> ApiError:
    """Return CloudWatch Logs' error about what was asked."""
    return ApiError("InvalidParameterException", message, service="CloudWatchLogs")


def check_batch(events: Sequence[Record]) -> None:
    """Check size and order of a batch.

    Raises:
        ApiError: AWS would refuse it whole.

    """
    if not events:
        raise invalid("The parameter logEvents must not be empty.")
    if len(events) > _BATCH_EVENTS:
        raise invalid(f"A batch must not hold more than {_BATCH_EVENTS} log events.")
    sizes = [len(event["message"].encode()) for event in events]
    if min(sizes) == 0:
        raise invalid("Log event message must not be empty.")
    largest = max(sizes) + _EVENT_OVERHEAD
    if largest > _EVENT_BYTES:
        raise invalid(f"Log event too large: {largest} bytes exceeds limit of {_EVENT_BYTES}")
    total = sum(sizes) + _EVENT_OVERHEAD * len(sizes)
    if total > _BATCH_BYTES:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {_BATCH_BYTES}")
    times = [event["timestamp"] for event in events]
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")


def sort_out(events: Sequence[Record], days: int | None) -> tuple[list[Record], Record]:
    """Return the events that are neither too old nor too new, and where the others are.

    Args:
        events: A batch in chronological order.
        days: The log group's retention, None for ever.

    Returns:
        The events to keep, and AWS's rejectedLogEventsInfo, empty when all are kept.

    Raises:
        ApiError: The events to keep span more than a day.

    """
    now = int(time.time() * 1000)
    rejected: Record = {}
    expired = now - days * _DAY if days else 0
    old = sum(event["timestamp"] < now - _OLDEST for event in events)
    late = sum(event["timestamp"] < expired for event in events)
    new = next((at for at, one in enumerate(events) if one["timestamp"] > now + _NEWEST), None)
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if late:
        rejected["expiredLogEventEndIndex"] = late
    if new is not None:
        rejected["tooNewLogEventStartIndex"] = new
    kept = list(events[max(old, late) : new])
    if kept and kept[-1]["timestamp"] - kept[0]["timestamp"] > _DAY:
        raise invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than"
            " 24 hours."
        )
    return kept, rejected
