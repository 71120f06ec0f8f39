"""CloudWatch alarms: what PutMetricAlarm takes, and a clock that evaluates them.

Periods of a minute and more end with a minute, as the metrics of logs have no finer grain. An
alarm looks at the newest ones again and again, so that what arrives late still counts.
"""

import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from localcloud.alarm_checks import check, period_of, watched
from localcloud.alarm_rules import BEYOND, Datapoint, Rule, Verdict, judge
from localcloud.metric_functions import Series
from localcloud.metrics import Metrics
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

logger = logging.getLogger("localcloud")

_EVERY = 5.0
# What a period's last moment sends has this long to arrive, before the period counts as over.
_ARRIVAL = 5.0
_MINUTE = 60
_LISTS = ("AlarmActions", "Dimensions", "InsufficientDataActions", "OKActions")


class Alarms:
    """Keeps alarms, and decides their states."""

    def __init__(self, emulator: Emulator, metrics: Metrics) -> None:
        self._emulator = emulator
        self._cloudwatch = emulator.cloudwatch
        self._metrics = metrics
        self._guard = threading.Lock()
        self._ending = threading.Event()

    def install(self) -> None:
        """Take the place of the emulator's own evaluation."""
        known = self._cloudwatch._put_metric_alarm

        def answer(params: Any, given: Record, is_cbor: bool, is_json: bool = False) -> Any:
            if not (is_cbor or is_json):
                return known(params, given, is_cbor, is_json)
            try:
                self.put(given)
            except ApiError as error:
                said = (error.code, error.message, error.status)
                return self._cloudwatch._error(*said, use_json=is_json, use_cbor=is_cbor)
            return self._cloudwatch._json_ok({}) if is_json else self._cloudwatch._cbor_ok({})

        self._cloudwatch._put_metric_alarm = answer
        self._cloudwatch._evaluate_alarm = self.evaluate
        self._cloudwatch._evaluate_all_alarms = self.evaluate_all

    def run(self) -> None:
        """Evaluate all alarms every few seconds until stop is called."""
        while not self._ending.wait(_EVERY):
            for account, region in {key[:2] for key, _ in self._cloudwatch._alarms.all_items()}:
                with self._emulator.responses.request_scope(account, region):
                    self.evaluate_all()

    def stop(self) -> None:
        """End run."""
        self._ending.set()

    def put(self, given: Record) -> Record:
        """Make an alarm or change one, which keeps its state.

        Args:
            given: What PutMetricAlarm takes.

        Returns:
            The alarm.

        Raises:
            ApiError: AWS would refuse it.

        """
        name = given.get("AlarmName") or ""
        known = self._cloudwatch._alarms.get(name)
        configuration = self._configuration(given)
        with self._guard:
            alarm = {**configuration, **_state(known)}
            self._cloudwatch._alarms[name] = alarm
        if known is None:
            tags = {tag["Key"]: tag.get("Value", "") for tag in given.get("Tags") or []}
            self._cloudwatch._resource_tags[alarm["AlarmArn"]] = tags
        self._note(name, f'Alarm "{name}" {"updated" if known else "created"}')
        self.evaluate(alarm)
        return alarm

    def _configuration(self, given: Record) -> Record:
        check(self._emulator, given)
        responses = self._emulator.responses
        place = f"{responses.get_region()}:{responses.get_account_id()}"
        configuration = {
            **{key: one for key, one in given.items() if key != "Tags" and one is not None},
            **{key: list(given.get(key) or ()) for key in _LISTS},
            "ActionsEnabled": given.get("ActionsEnabled", True),
            "AlarmArn": f"arn:aws:cloudwatch:{place}:alarm:{given['AlarmName']}",
            "AlarmConfigurationUpdatedTimestamp": int(time.time()),
            "EvaluationPeriods": int(given["EvaluationPeriods"]),
            "Threshold": float(given["Threshold"]),
            "TreatMissingData": given.get("TreatMissingData") or "missing",
        }
        for key in ("Period", "DatapointsToAlarm"):
            if given.get(key) is not None:
                configuration[key] = int(given[key])
        return configuration

    def evaluate_all(self) -> None:
        """Evaluate the alarms of the account and region that are asked about."""
        for alarm in self._cloudwatch._alarms.values():
            try:
                self.evaluate(alarm)
            except Exception:
                logger.exception("evaluating the alarm %s", alarm["AlarmName"])

    def evaluate(self, alarm: Record) -> None:
        """Evaluate one alarm at the present time."""
        now = time.time()
        with self._guard:
            before, verdict = alarm["StateValue"], self._verdict(alarm, now)
            if verdict is None or verdict.state == before:
                return
            data = _reason_data(alarm, verdict, now)
            alarm |= {
                "StateValue": verdict.state,
                "StateReason": verdict.reason,
                "StateReasonData": json.dumps(data),
                "StateUpdatedTimestamp": now,
                "StateTransitionedTimestamp": now,
            }
        logger.info("alarm %s: %s -> %s", alarm["AlarmName"], before, verdict.state)
        self._tell(alarm, before, verdict, data)

    def _tell(self, alarm: Record, before: str, verdict: Verdict, data: Record) -> None:
        cloudwatch = self._cloudwatch
        cloudwatch._record_history(
            alarm["AlarmName"], before, verdict.state, verdict.reason, reason_data=data
        )
        cloudwatch._dispatch_alarm_actions(alarm, before, verdict.state, verdict.reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    def _note(self, name: str, summary: str) -> None:
        self._cloudwatch._history_entries().append(
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": self._cloudwatch._ts_iso(time.time()),
                "HistoryItemType": "ConfigurationUpdate",
                "HistorySummary": summary,
                "HistoryData": json.dumps({"version": "1.0"}),
            }
        )

    def _verdict(self, alarm: Record, now: float) -> Verdict | None:
        rule = Rule(
            alarm["ComparisonOperator"],
            alarm["Threshold"],
            alarm["EvaluationPeriods"],
            alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
            alarm.get("TreatMissingData", "missing"),
        )
        period = period_of(alarm)
        grain = min(period, _MINUTE)
        end = (now - _ARRIVAL) // grain * grain
        start = end - (rule.periods + BEYOND) * period
        if alarm.get("Metrics"):
            found = self._metrics.evaluated(alarm["Metrics"], start, end)
            series = found[watched(alarm["Metrics"])["Id"]]
        else:
            points = self._metrics.points(alarm, alarm.get("Unit"))
            statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
            if _too_few(alarm, [one for one in points if start <= one["Timestamp"] < end]):
                return None
            series = self._metrics.series(points, statistic, period, start, end)
        return judge(rule, _newest_first(series))


def _newest_first(series: Series) -> list[Datapoint | None]:
    return [
        Datapoint(moment, series.values[moment]) if moment in series.values else None
        for moment in reversed(series.grid)
    ]


def _too_few(alarm: Record, points: Sequence[Record]) -> bool:
    """Say whether a percentile rests on too few samples, by AWS's measure, to say anything."""
    percentile = alarm.get("ExtendedStatistic")
    if alarm.get("EvaluateLowSampleCountPercentile") != "ignore" or not (percentile and points):
        return False
    share = float(percentile[1:]) / 100
    rare = 1 - share if share >= 0.5 else share
    return rare > 0 and sum(one.get("Count", 1) for one in points) < 10 / rare


def _state(known: Record | None) -> Record:
    if known is None:
        return {
            "StateValue": "INSUFFICIENT_DATA",
            "StateReason": "Unchecked: Initial alarm creation",
            "StateUpdatedTimestamp": time.time(),
        }
    return {key: one for key, one in known.items() if key.startswith("State")}


def _reason_data(alarm: Record, verdict: Verdict, now: float) -> Record:
    data: Record = {
        "version": "1.0",
        "queryDate": _written(now),
        "period": period_of(alarm),
        "recentDatapoints": [one.value for one in reversed(verdict.recent)],
        "threshold": alarm["Threshold"],
        "evaluatedDatapoints": [
            {"timestamp": _written(one.start), "value": one.value} for one in verdict.recent
        ],
    }
    if verdict.recent:
        data["startDate"] = _written(min(one.start for one in verdict.recent))
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    return {**data, "statistic": statistic} if statistic else data


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
