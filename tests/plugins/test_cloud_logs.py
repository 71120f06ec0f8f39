"""What CloudWatch holds of a deployment is told as its hosts would tell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc_switch.logs import parse

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.cloud_logs import CloudLogs, Wanted
from plugins.module_utils.log_times import moment

NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
START = int(NOW.timestamp() * 1000)
CALL = {
    "time": "2026-11-26T05:29:59.500Z",
    "level": "info",
    "event": "call",
    "release": "0.1.0-aa",
    "request_id": "ab-1",
    "code": "OK",
    "duration_ms": 1.5,
}


class FakeLogs:
    """Groups of events, of which it gives two a page; `asked` is what for."""

    def __init__(self, **groups: list[dict[str, Any]]) -> None:
        self._groups = {f"/demo/{name}": events for name, events in groups.items()}
        self.logs = self
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> FakeLogs:
        assert name == "filter_log_events"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        found = [
            event
            for event in self._groups.get(asked["logGroupName"], [])
            if asked["startTime"] <= event["timestamp"] <= asked["endTime"]
        ]
        return [{"events": found[at : at + 2]} for at in range(0, len(found), 2)]


def event(line: dict[str, Any], seconds_ago: float, host: str = "i-1") -> dict[str, Any]:
    at = datetime.fromtimestamp(NOW.timestamp() - seconds_ago, UTC)
    line = {**line, "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    moment = round(at.timestamp() * 1000)
    return {"logStreamName": host, "timestamp": moment, "message": json.dumps(line)}


def read(fake: FakeLogs, lines: int = 100, **wanted: str) -> list[dict[str, Any]]:
    logs = CloudLogs(fake, "/demo/server", "/demo/client", "saudacao")  # type: ignore[arg-type]
    return logs.entries(Wanted(lines, **wanted), NOW)


def test_a_line_is_what_its_host_reads_in_the_journal() -> None:
    fake = FakeLogs(server=[event(CALL, 1)])
    (entry,) = read(fake)
    journal = {
        "__REALTIME_TIMESTAMP": str(START * 1000),
        "_SYSTEMD_UNIT": "saudacao@0.1.0-aa.service",
        "MESSAGE": fake._groups["/demo/server"][0]["message"],
    }
    assert entry == {"host": "i-1", **parse(json.dumps(journal))}


def test_what_systemd_said_is_what_its_host_reads_too() -> None:
    wrapped = {"level": "warning", "event": "log", "unit": "saudacao@r.service", "message": "Down"}
    (entry,) = read(FakeLogs(server=[event(wrapped, 1)]))
    entry.pop("time")
    assert entry == {
        "host": "i-1",
        "unit": "saudacao@r.service",
        "level": "warning",
        "message": "Down",
        "fields": {},
    }


def test_the_last_lines_of_all_hosts_come_in_the_order_of_time() -> None:
    server = [event(CALL, ago, host) for ago, host in ((4000, "i-1"), (50, "i-1"), (40, "i-2"))]
    client = [event({"event": "call", "status": "UNAVAILABLE"}, 45, "i-3")]
    found = read(FakeLogs(server=server, client=client), 3)
    assert [entry["host"] for entry in found] == ["i-1", "i-3", "i-2"]
    assert found[1]["unit"] == "saudacao-client.service"
    assert len(read(FakeLogs(server=server, client=client), 4)) == 4


def test_no_line_is_read_twice_and_none_is_left_out() -> None:
    ages = (0.001, 59, 60, 61, 600, 3600, 86_400, 86_401, 7 * 86_400, 30 * 86_400)
    server = [event(CALL | {"number": age}, age) for age in reversed(ages)]
    found = read(FakeLogs(server=server))
    assert [entry["fields"]["number"] for entry in found] == list(reversed(ages))


def test_a_range_is_not_left() -> None:
    fake = FakeLogs(server=[event(CALL, ago) for ago in (7200, 3000, 60)])
    assert len(read(fake, since="-1h", until="-10min")) == 1
    earliest = min(asked["startTime"] for asked in fake.asked)
    assert earliest == START - 3600 * 1000


def test_cloudwatch_chooses_the_lines() -> None:
    fake = FakeLogs()
    read(fake, request_id="ab-1", level="error")
    assert {asked["filterPattern"] for asked in fake.asked} == {
        '{ ($.request_id = "ab-1") && (($.level = "error") || ($.level = "critical")) }'
    }


def test_a_hosts_last_minute_is_counted() -> None:
    failed = CALL | {"code": "INTERNAL", "duration_ms": 9}
    fake = FakeLogs(server=[event(CALL, 70), event(CALL, 30), event(failed, 10)])
    logs = CloudLogs(fake, "/demo/server", "/demo/client", "saudacao")  # type: ignore[arg-type]
    found = logs.last_minute("i-1", NOW)
    assert (found["calls"], found["errors"], found["p99_ms"]) == (2, 1, 9)
    assert fake.asked[0]["logStreamNames"] == ["i-1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-26T05:30:00"),
        ("-10min", "2026-11-26T05:20:00"),
        ("-1h 30min", "2026-11-26T04:00:00"),
        ("2 days ago", "2026-11-24T05:30:00"),
        ("yesterday", "2026-11-25T00:00:00"),
        ("04:05", "2026-11-26T04:05:00"),
        ("2026-11-25 17:41", "2026-11-25T17:41:00"),
        ("2026-11-25T17:41:02.5Z", "2026-11-25T17:41:02"),
        ("2026-11-25", "2026-11-25T00:00:00"),
        ("@1795671000", "2026-11-26T05:30:00"),
    ],
)
def test_times_are_those_of_journalctl(text: str, expected: str) -> None:
    found = moment(text, NOW)
    assert found is not None
    assert found.isoformat() == f"{expected}+00:00"


def test_a_time_that_is_none_is_refused_with_a_way() -> None:
    assert moment("", NOW) is None
    for text in ("soon", "-3 moons", "2026-13-01"):
        with pytest.raises(StackError, match="from=hosts"):
            moment(text, NOW)
