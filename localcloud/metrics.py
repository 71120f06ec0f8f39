"""CloudWatch's metrics: datapoints of a metric or an expression over time, and GetMetricData."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.metric_functions import MathError, Series
from localcloud.metric_math import Expression
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

STATISTICS = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
_MINUTE = 60


def failed(message: str) -> ApiError:
    """Return CloudWatch's error about what was asked."""
    return ApiError("ValidationError", message, service="AmazonCloudWatch")


def check_period(period: int) -> None:
    """Check a period.

    Raises:
        ApiError: It is neither 10, 20, 30 nor a multiple of 60.

    """
    if period not in (10, 20, 30) and (period < _MINUTE or period % _MINUTE):
        raise failed("Period must be 10, 20, 30 or a multiple of 60")


def check_statistic(emulator: Emulator, statistic: str) -> None:
    """Check a statistic's name.

    Raises:
        ApiError: It is neither one of STATISTICS nor a percentile such as p99.

    """
    percentile = emulator.cloudwatch._is_percentile_stat(statistic)
    if statistic not in STATISTICS and not (percentile and float(statistic[1:]) <= 100):
        raise failed(f"The value {statistic} for parameter Stat is not supported.")


class Metrics:
    """Reads the emulator's store of datapoints."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._cloudwatch = emulator.cloudwatch

    def install(self) -> None:
        """Answer GetMetricData, with expressions, from now on."""
        known = self._cloudwatch._get_metric_data

        def answer(params: Any, given: Record, is_cbor: bool, is_json: bool = False) -> Any:
            # The query protocol cannot send expressions to the emulator: it keeps its own answer.
            if not (is_cbor or is_json):
                return known(params, given, is_cbor, is_json)
            try:
                results = self.data(given)
            except ApiError as error:
                said = (error.code, error.message, error.status)
                return self._cloudwatch._error(*said, use_json=is_json, use_cbor=is_cbor)
            if is_json:
                return self._cloudwatch._json_ok({"MetricDataResults": results})
            shown = [self._cloudwatch._cbor_metric_data_result(result) for result in results]
            return self._cloudwatch._cbor_ok({"MetricDataResults": shown})

        self._cloudwatch._get_metric_data = answer

    def data(self, given: Record) -> list[Record]:
        """Answer GetMetricData.

        Raises:
            ApiError: A query cannot be answered.

        """
        start, end = (
            self._cloudwatch._parse_ts(given.get(key)) for key in ("StartTime", "EndTime")
        )
        if start is None or end is None or start >= end:
            raise failed("The parameter StartTime must be less than the parameter EndTime.")
        queries = given.get("MetricDataQueries") or []
        found = self.evaluated(queries, start, end)
        newest_first = given.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        for query in queries:
            if not query.get("ReturnData", True):
                continue
            values = found[query["Id"]].values
            moments = sorted(values, reverse=newest_first)
            stat = query.get("MetricStat")
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label")
                    or (stat["Metric"]["MetricName"] if stat else query["Id"]),
                    "Timestamps": [_iso(moment) for moment in moments],
                    "Values": [values[moment] for moment in moments],
                    "StatusCode": "Complete",
                }
            )
        return results

    def evaluated(self, queries: Iterable[Record], start: float, end: float) -> dict[str, Series]:
        """Return the time series of metric data queries by their ids.

        Args:
            queries: Of MetricStat or Expression, as in GetMetricData and PutMetricAlarm.
            start: Begin of the first period, in seconds since the epoch; rounded down to one.
            end: End of the last.

        Raises:
            ApiError: A query names neither, or an expression cannot be evaluated.

        """
        found: dict[str, Series] = {}
        waiting: dict[str, Expression] = {}
        for query in queries:
            if query.get("Expression"):
                waiting[query["Id"]] = parsed(query)
            elif query.get("MetricStat"):
                found[query["Id"]] = self._stat(query["MetricStat"], start, end)
            else:
                raise failed(f"The query '{query['Id']}' needs a MetricStat or an Expression.")
        while waiting:
            ready = [key for key, one in waiting.items() if one.names <= set(found)]
            if not ready:
                raise failed(f"Error in expressions {', '.join(waiting)}: an id is unknown.")
            for key in ready:
                try:
                    found[key] = waiting.pop(key).series(found)
                except MathError as error:
                    raise failed(f"Error in expression '{key}': {error}") from error
        return found

    def _stat(self, stat: Record, start: float, end: float) -> Series:
        metric, period = stat["Metric"], int(stat["Period"])
        check_period(period)
        check_statistic(self._emulator, stat["Stat"])
        points = self.points(metric, stat.get("Unit"))
        return self.series(points, stat["Stat"], period, start, end)

    def points(self, metric: Mapping[str, Any], unit: str | None = None) -> list[Record]:
        """Return what was published of one metric, as the emulator keeps it.

        Args:
            metric: Its Namespace, MetricName and Dimensions.
            unit: Only what has this unit, None for any.

        """
        dimensions = self._cloudwatch._dims_from_list(metric.get("Dimensions") or [])
        key = (metric["Namespace"], metric["MetricName"], self._cloudwatch._dims_key(dimensions))
        found = list(self._cloudwatch._metrics.get(key) or ())
        return [one for one in found if unit in (None, one.get("Unit"))]

    def series(
        self, points: Iterable[Record], statistic: str, period: int, start: float, end: float
    ) -> Series:
        """Aggregate points to one value a period.

        Args:
            points: As the emulator keeps them.
            statistic: Its name.
            period: Seconds.
            start: Begin of the first period.
            end: End of the last.

        """
        first = math.floor(start / min(period, _MINUTE)) * min(period, _MINUTE)
        grid = tuple(range(int(first), math.ceil(end), period))
        buckets: dict[int, list[Record]] = {}
        for point in points:
            moment = point["Timestamp"]
            if first <= moment < end:
                index = int((moment - first) // period)
                buckets.setdefault(int(first) + index * period, []).append(point)
        values = {}
        for moment, bucket in sorted(buckets.items()):
            stats = self._cloudwatch._calc_stats(bucket)
            value = self._cloudwatch._stat_value(stats, statistic, bucket)
            if value is not None:
                values[moment] = float(value)
        return Series(values, grid, period)


def parsed(query: Record) -> Expression:
    """Read a query's expression.

    Raises:
        ApiError: It cannot be read.

    """
    try:
        return Expression(query["Expression"])
    except MathError as error:
        raise failed(f"Error in expression '{query['Id']}': {error}") from error


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
