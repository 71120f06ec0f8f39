"""The CloudWatch Logs calls that the emulator answers without looking at patterns and limits.

Groups, streams and events are the emulator's.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.log_batches import check_batch, invalid, sort_out
from localcloud.log_metrics import LogMetrics, check_transformation
from localcloud.log_patterns import PatternError, compiled
from localcloud.log_search import search
from localcloud.records import ApiError, Record, Response
from localcloud.seams import Emulator

_FILTERS = 100

Call = Callable[[Record], Record]


def _missing(what: str) -> ApiError:
    message = f"The specified {what} does not exist."
    return ApiError("ResourceNotFoundException", message, service="CloudWatchLogs")


class Logs:
    """Answers PutLogEvents, PutMetricFilter, TestMetricFilter and FilterLogEvents."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._logs = emulator.logs
        self._store: Any = self._logs._put_log_events
        self._keep_filter: Any = self._logs._put_metric_filter
        self._metrics = LogMetrics(emulator)

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
        check_batch(events)
        group: Record = self._logs._log_groups.get(given.get("logGroupName")) or {}
        kept, rejected = sort_out(events, group.get("retentionInDays"))
        answer = self._kept(self._store({**given, "logEvents": kept}))
        filters = self._logs._metric_filters.values()
        mine = [one for one in filters if one["logGroupName"] == given["logGroupName"]]
        self._metrics.count(mine, kept)
        return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer

    def put_filter(self, given: Record) -> Record:
        """Answer PutMetricFilter.

        Raises:
            ApiError: The pattern or what is made of its matches would be refused by AWS.

        """
        _check_pattern(given.get("filterPattern", ""), "Invalid metric filter pattern")
        check_transformation(given)
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
            ApiError: The pattern or the token cannot be read, or the group or a stream is missing.

        """
        _check_pattern(given.get("filterPattern") or "", "Invalid filter pattern")
        return search(self._streams(given), compiled(given.get("filterPattern") or ""), given)

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
