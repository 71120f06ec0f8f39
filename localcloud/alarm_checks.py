"""What PutMetricAlarm takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.alarm_rules import COMPARISONS
from localcloud.metrics import STATISTICS, check_period, check_statistic, failed, parsed
from localcloud.records import Record
from localcloud.seams import Emulator

_DAY = 24 * 3600
_MISSING = ("breaching", "ignore", "missing", "notBreaching")
_OF_ONE_METRIC = (
    *("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit"),
)
_NOT_HERE = ("EvaluationCriteria", "EvaluationWindow", "ThresholdMetricId", "WarmUpConfiguration")


def check(emulator: Emulator, given: Mapping[str, Any]) -> None:
    """Check what PutMetricAlarm was given.

    Raises:
        ApiError: AWS would refuse it, or it is of a kind that is not here.

    """
    for key in ("AlarmName", "ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if given.get(key) is None:
            raise failed(f"The parameter {key} is required.")
    unknown = [key for key in _NOT_HERE if given.get(key)]
    if unknown:
        raise failed(f"{', '.join(unknown)} is not supported here.")
    if given["ComparisonOperator"] not in COMPARISONS:
        raise failed(f"ComparisonOperator {given['ComparisonOperator']} is not supported here.")
    if (given.get("TreatMissingData") or "missing") not in _MISSING:
        raise failed(f"TreatMissingData must be one of {', '.join(_MISSING)}.")
    periods = int(given["EvaluationPeriods"])
    if periods < 1:
        raise failed("EvaluationPeriods must be at least 1.")
    if not 1 <= int(given.get("DatapointsToAlarm") or periods) <= periods:
        raise failed("DatapointsToAlarm must be between 1 and EvaluationPeriods.")
    _check_math(given) if given.get("Metrics") else _check_metric(emulator, given)
    period = period_of(given)
    if periods * period > _DAY and period < 3600:
        raise failed(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period)."
        )


def _check_metric(emulator: Emulator, given: Mapping[str, Any]) -> None:
    for key in ("MetricName", "Namespace", "Period"):
        if not given.get(key):
            raise failed(f"The parameter {key} is required for an alarm of one metric.")
    check_period(int(given["Period"]))
    statistic, percentile = given.get("Statistic"), given.get("ExtendedStatistic")
    if bool(statistic) == bool(percentile):
        raise failed("Exactly one of Statistic and ExtendedStatistic must be given.")
    if statistic and statistic not in STATISTICS:
        raise failed(f"Statistic must be one of {', '.join(STATISTICS)}.")
    check_statistic(emulator, str(statistic or percentile))


def _check_math(given: Mapping[str, Any]) -> None:
    beside = [key for key in _OF_ONE_METRIC if given.get(key)]
    if beside:
        raise failed(f"{', '.join(beside)} must not be given beside Metrics.")
    metrics = given["Metrics"]
    watched(metrics)
    stats = [one["MetricStat"] for one in metrics if "MetricStat" in one]
    if not stats:
        raise failed("An expression needs at least one metric.")
    if len({int(stat["Period"]) for stat in stats}) > 1:
        raise failed("All metrics of an alarm must have the same period.")
    check_period(int(stats[0]["Period"]))
    known = {one["Id"] for one in metrics}
    for one in metrics:
        unknown = parsed(one).names - known if one.get("Expression") else set()
        if unknown:
            raise failed(f"Error in expression '{one['Id']}': {', '.join(unknown)} is unknown.")


def period_of(alarm: Mapping[str, Any]) -> int:
    """Return an alarm's period in seconds."""
    if not alarm.get("Metrics"):
        return int(alarm["Period"])
    return int(next(one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one))


def watched(metrics: Sequence[Record]) -> Record:
    """Return the one query that an alarm watches.

    Raises:
        ApiError: None returns data, or several do.

    """
    found = [one for one in metrics if one.get("ReturnData", True)]
    if len(found) != 1:
        raise failed("Exactly one element of the metrics list should return data.")
    return found[0]
