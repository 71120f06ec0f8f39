"""The filter `merged_logs`: the hosts' entries in the order of time, as lines that hide nothing."""

import json
from typing import Any

from plugins.module_utils.plain_text import visible
from roles.logs.filter_plugins.merged_logs import merged_logs


def entry(second: int, event: str = "call", **fields: object) -> dict[str, Any]:
    time = f"2026-11-25T17:41:{second:02}.123456Z"
    return {"time": time, "unit": "u", "level": "info", "message": event, "fields": fields}


def said(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"_logs_host": {"rc": 0, "stdout": json.dumps(entries)}}


def test_entries_of_all_hosts_are_merged_and_the_last_are_kept() -> None:
    hosts = {"b": said(entry(1), entry(4)), "a": said(entry(2), entry(3))}
    found = merged_logs(hosts, ["a", "b"], 3)["entries"]
    assert [(item["host"], item["time"][17:19]) for item in found] == [
        ("a", "02"), ("a", "03"), ("b", "04")
    ]  # fmt: skip


def test_a_line_has_time_host_level_message_and_fields() -> None:
    hosts = {"a": said(entry(1, code="OK", duration_ms=1.5, reason="a b"))}
    assert merged_logs(hosts, ["a"], 9)["lines"] == [
        '2026-11-25T17:41:01.123Z a info     call code=OK duration_ms=1.5 reason="a b"'
    ]


def test_a_field_called_message_does_not_hide_the_event() -> None:
    hosts = {"a": said(entry(1, "log", logger="grpc", message="connection reset"))}
    (line,) = merged_logs(hosts, ["a"], 9)["lines"]
    assert line.endswith(' log logger=grpc message="connection reset"')


def test_a_host_that_did_not_answer_is_a_problem_beside_the_others_lines() -> None:
    hosts = {"a": said(entry(1)), "b": {"_logs_host": {"rc": 1, "stderr": "refused\n"}}}
    hosts["c"] = {"_logs_host": {"unreachable": True, "msg": "timed out"}}
    found = merged_logs(hosts, ["a", "b", "c"], 9)
    assert (len(found["entries"]), found["problem"]) == (1, "b: refused\nc: timed out")


def journal(*messages: dict[str, Any], rc: int = 0, stderr: str = "") -> dict[str, Any]:
    """What a client's host has said, as journalctl prints it."""
    lines = [
        json.dumps({"__REALTIME_TIMESTAMP": "1795628516000000", "MESSAGE": json.dumps(message)})
        for message in messages
    ]
    return {"_logs_client": {"rc": rc, "stdout": "\n".join(lines), "stderr": stderr}}


def test_a_clients_lines_of_a_call_are_among_the_servers() -> None:
    failed = {"event": "call", "level": "error", "request_id": "ab-1", "status": "UNAVAILABLE"}
    other = failed | {"request_id": "ab-12"}
    hosts = {"server": said(entry(1, request_id="ab-1")), "client": journal(failed, other)}
    found = merged_logs(hosts, ["server", "client"], 9, "ab-1")
    assert [item["host"] for item in found["entries"]] == ["server", "client"]
    assert found["entries"][1]["fields"]["status"] == "UNAVAILABLE"
    assert found["problem"] == ""
    assert merged_logs(hosts, ["client"], 9, "", "critical")["entries"] == []


def test_a_client_that_logged_nothing_is_no_problem_and_a_bad_time_is() -> None:
    nothing = {"client": journal(rc=1)}
    assert merged_logs(nothing, ["client"], 9)["problem"] == ""
    refused = {"client": journal(rc=1, stderr="Failed to parse timestamp: soon")}
    assert merged_logs(refused, ["client"], 9)["problem"].startswith("client: Failed to parse")


def test_no_host_is_said_to_be_one() -> None:
    assert merged_logs({}, [], 9)["problem"] == "no host runs: there is no log to show"


def test_a_caller_cannot_command_the_readers_terminal() -> None:
    assert visible("a\x1b[2Jb\rc\u202ed\té") == "a\\x1b[2Jb\\rc\\u202ed\té"
