"""CloudWatch Logs: what PutLogEvents takes, searching by pattern, and metrics made of lines.

The emulator keeps groups, streams and events; the limits are those of the API's reference.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud.log_patterns import PatternError, compiled, is_json, is_selector, number, selected
from localcloud.records import ApiError, Record, Response
from localcloud.seams import Emulator

_BATCH_BYTES = 1_048_576
_EVENT_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_BATCH_EVENTS = 10_000
_PAGE_BYTES = 1_048_576
_HOUR, _DAY = 3_600_000, 86_400_000
_OLDEST = 14 * _DAY
_NEWEST = 2 * _HOUR
_MINUTE = 60
_REMEMBERED = 5
_FILTERS = 100
_DIMENSIONS = 3

Call = Callable[[Record], Record]


def invalid(message: str) -> ApiError:
    """Return CloudWatch Logs' error about what was asked."""
    return ApiError("InvalidParameterException", message, service="CloudWatchLogs")


def _missing(what: str) -> ApiError:
    message = f"The specified {what} does not exist."
    return ApiError("ResourceNotFoundException", message, service="CloudWatchLogs")


class Logs:
    """Answers the calls that the emulator answers without looking at patterns and limits."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._logs = emulator.logs
        self._store: Any = self._logs._put_log_events
        self._keep_filter: Any = self._logs._put_metric_filter
        self._counted: dict[tuple[Any, ...], dict[int, dict[float, Record]]] = {}

    def install(self) -> None:
        """Take the place of the emulator's functions."""
        calls: dict[str, Call] = {
            "_put_log_events": self.put_events,
            "_put_metric_filter": self.put_filter,
            "_filter_log_events": self.search,
        }
        for name, call in calls.items():
            setattr(self._logs, name, self._answering(call))
        known = self._logs.handle_request

        async def handle(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
        ) -> Any:
            if headers.get("x-amz-target", "").endswith(".TestMetricFilter"):
                return self._answering(self.test_filter)(json.loads(body))
            return await known(method, path, headers, body, query)

        self._logs.handle_request = handle

    def _answering(self, call: Call) -> Callable[[Record], Response]:
        def answer(given: Record) -> Response:
            try:
                response: Response = self._logs.json_response(call(given))
            except ApiError as error:
                said = (error.code, error.message, error.status)
                response = self._logs.error_response_json(*said)
            return response

        return answer

    def _kept(self, response: Response) -> Record:
        """Return the emulator's answer, or raise its error."""
        status, _, body = response
        answer: Record = json.loads(body)
        if status >= 400:
            raise ApiError(answer["__type"], answer["message"], status, "CloudWatchLogs")
        return answer

    def put_events(self, given: Record) -> Record:
        """Answer PutLogEvents: check the batch, keep what AWS would keep, count what filters count.

        Raises:
            ApiError: The batch breaks a limit, or group or stream is missing.

        """
        events = given.get("logEvents") or []
        _check_batch(events)
        group: Record = self._logs._log_groups.get(given.get("logGroupName")) or {}
        kept, rejected = _sorted_out(events, group.get("retentionInDays"))
        answer = self._kept(self._store({**given, "logEvents": kept}))
        for one in self._logs._metric_filters.values():
            if one["logGroupName"] == given["logGroupName"]:
                self._count(one, kept)
        return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer

    def _count(self, metric_filter: Record, events: Sequence[Record]) -> None:
        matches = compiled(metric_filter["filterPattern"])
        [made] = metric_filter["metricTransformations"]
        for event in events:
            message = event["message"]
            if matches(message):
                value = _value(made["metricValue"], message)
                dimensions = _dimensions(made, message)
            else:
                value, dimensions = made.get("defaultValue"), {}
            if value is not None and dimensions is not None:
                self._add(made, event["timestamp"] // 1000, float(value), dimensions)

    def _add(self, made: Record, second: int, value: float, dimensions: dict[str, str]) -> None:
        """Count a value in its minute, as AWS does: equal ones of a minute are one point."""
        cloudwatch, responses = self._emulator.cloudwatch, self._emulator.responses
        key = (made["metricNamespace"], made["metricName"], cloudwatch._dims_key(dimensions))
        bucket = cloudwatch._metric_bucket(key)
        scoped = (responses.get_account_id(), responses.get_region(), *key)
        if not bucket:
            self._counted.pop(scoped, None)
        minutes = self._counted.setdefault(scoped, {})
        minute = second // _MINUTE * _MINUTE
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

    def put_filter(self, given: Record) -> Record:
        """Answer PutMetricFilter.

        Raises:
            ApiError: The pattern or what is made of its matches would be refused by AWS.

        """
        _check_pattern(given.get("filterPattern", ""), "Invalid metric filter pattern")
        _check_transformation(given)
        group, name = given.get("logGroupName"), given.get("filterName")
        others = [key for key in self._logs._metric_filters if key[0] == group and key[1] != name]
        if len(others) >= _FILTERS:
            raise ApiError("LimitExceededException", "Resource limit exceeded.")
        return self._kept(self._keep_filter(given))

    def test_filter(self, given: Record) -> Record:
        """Answer TestMetricFilter: which of the given messages a pattern matches.

        Raises:
            ApiError: The pattern cannot be read.

        """
        pattern = given.get("filterPattern", "")
        _check_pattern(pattern, "Invalid metric filter pattern")
        matches = compiled(pattern)
        found = enumerate(given.get("logEventMessages") or (), 1)
        return {
            "matches": [
                {"eventNumber": index, "eventMessage": message, "extractedValues": {}}
                for index, message in found
                if matches(message)
            ]
        }

    def search(self, given: Record) -> Record:
        """Answer FilterLogEvents, page by page.

        Raises:
            ApiError: The pattern cannot be read, or the group or a stream is missing.

        """
        _check_pattern(given.get("filterPattern") or "", "Invalid filter pattern")
        matches = compiled(given.get("filterPattern") or "")
        streams = self._streams(given)
        start, end = given.get("startTime") or 0, given.get("endTime")
        with self._logs._log_events_lock:
            found = [
                {**event, "logStreamName": name}
                for name, stream in streams.items()
                for event in stream["events"]
                if event["timestamp"] >= start and (end is None or event["timestamp"] <= end)
            ]
        found.sort(key=lambda one: (one["timestamp"], one["ingestionTime"]))
        skipped = self._logs._decode_token(given.get("nextToken"))
        limit = min(int(given.get("limit") or _BATCH_EVENTS), _BATCH_EVENTS)
        page: list[Record] = []
        size, looked_at = 0, skipped
        for event in found[skipped:]:
            if len(page) >= limit or size >= _PAGE_BYTES:
                break
            looked_at += 1
            if matches(event["message"]):
                page.append(event)
                size += len(event["message"].encode())
        more = looked_at < len(found)
        token = {"nextToken": self._logs._encode_token(looked_at)} if more else {}
        return {"events": page, "searchedLogStreams": [], **token}

    def _streams(self, given: Record) -> dict[str, Record]:
        group = self._logs._log_groups.get(self._logs._resolve_log_group_name(given))
        if group is None:
            raise _missing("log group")
        names, prefix = given.get("logStreamNames"), given.get("logStreamNamePrefix")
        if names and prefix:
            raise invalid("logStreamNames and logStreamNamePrefix cannot be given together.")
        streams: dict[str, Record] = dict(group["streams"])
        if names and not set(names) <= set(streams):
            raise _missing("log stream")
        return {
            name: stream
            for name, stream in streams.items()
            if (not names or name in names) and name.startswith(prefix or "")
        }


def _check_pattern(pattern: str, refused: str) -> None:
    try:
        compiled(pattern)
    except PatternError as error:
        raise invalid(f"{refused}: {error}") from error


def _check_batch(events: Sequence[Record]) -> None:
    if not events:
        raise invalid("The parameter logEvents must not be empty.")
    if len(events) > _BATCH_EVENTS:
        raise invalid(f"A batch must not hold more than {_BATCH_EVENTS} log events.")
    sizes = [len(event["message"].encode()) for event in events]
    if min(sizes) == 0:
        raise invalid("Log event message must not be empty.")
    if max(sizes) + _EVENT_OVERHEAD > _EVENT_BYTES:
        size = max(sizes) + _EVENT_OVERHEAD
        raise invalid(f"Log event too large: {size} bytes exceeds limit of {_EVENT_BYTES}")
    total = sum(sizes) + _EVENT_OVERHEAD * len(sizes)
    if total > _BATCH_BYTES:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {_BATCH_BYTES}")
    times = [event["timestamp"] for event in events]
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")


def _sorted_out(events: Sequence[Record], days: int | None) -> tuple[list[Record], Record]:
    """Return the events that are neither too old nor too new, and where the others are."""
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


def _check_transformation(given: Record) -> None:
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
    value, fields = str(one.get("metricValue") or ""), is_json(given.get("filterPattern", ""))
    if number(value) is None and not (fields and is_selector(value)):
        raise invalid(
            f"Invalid metric transformation: metricValue '{value}' is neither a number"
            " nor a field of the pattern."
        )
    dimensions = one.get("dimensions") or {}
    if dimensions and not fields:
        raise invalid("The specified filter pattern does not support dimensions")
    if dimensions and one.get("defaultValue") is not None:
        raise invalid("The default value cannot be given together with dimensions.")
    if len(dimensions) > _DIMENSIONS or not all(map(is_selector, dimensions.values())):
        raise invalid(f"Dimensions must be at most {_DIMENSIONS} fields of the pattern.")


def _value(wanted: str, message: str) -> float | None:
    fixed = number(wanted)
    return fixed if fixed is not None else number(selected(wanted, message))


def _dimensions(made: Mapping[str, Any], message: str) -> dict[str, str] | None:
    """Return an event's dimensions, None when a field is missing: then nothing is counted."""
    found = {
        name: selected(field, message) for name, field in (made.get("dimensions") or {}).items()
    }
    if any(value is None or isinstance(value, dict | list) for value in found.values()):
        return None
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }
