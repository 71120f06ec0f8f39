"""The filter `status_answer`: what is healthy, and what is not, each with the next command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roles.status.filter_plugins.status_answer import days_left, status_answer
from tests.app.pki import Authority

Change = Callable[[dict[str, Any]], object]
SERVING = {"rc": 0, "stdout": "192.0.2.1:50051 is SERVING\n", "stderr": ""}
RUN = {"id": "1", "action": "rotate", "at": "2026-11-25T17:41:56Z", "by": "ana", "from": "laptop"}
DAYS = 30


class Deployment:
    """A healthy deployment of one host, which a test changes before it asks."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        authority.issue("server", days=DAYS + 0.5)
        authority.issue("client", days=DAYS + 0.5)
        pem = (folder / "server.crt").read_text()
        # The authority of these tests lives for a day only.
        (folder / "ca.crt").write_text(pem)
        self.answer: dict[str, Any] = {
            "status": {
                "release": "r1",
                "provisional": False,
                "map": {"equals_file": True},
                "releases": {"r1": {"state": "active", "restarts": 0}},
            },
            "deployed": {**RUN, "action": "deploy", "since": "2026-11-25T17:42:30Z",
                         "commit": "abc1234"},
            "interrupted": [],
            "lease": None,
            "calls": {"seconds": 60, "calls": 100, "errors": 0, "p50_ms": 0.1, "p99_ms": 1.5},
            "units": {"saudacao-guard.service": "active"},
            "certificates": {"server.crt": pem},
            "disks": {"/opt": {"free_mebibytes": 900, "total_mebibytes": 1000}},
            "minimum_free_mebibytes": 256,
            "drift": {"recorded": True, "manifest": True, "edited": [], "files": {},
                      "packages": {}},
        }  # fmt: skip
        self.result: dict[str, Any] = {}
        self.asked: dict[str, Any] = {"health": SERVING, "drift": []}
        self.client: dict[str, Any] = {}
        self.stopped: list[str] = []
        self.settings: dict[str, Any] = {
            "deployment": "demo", "inventory": "inventory/lab", "environment": "lab",
            "has_stack": True, "endpoint": "192.0.2.1:50051", "certificates": str(folder),
            "certificate_days": 7, "error_percent": 1,
        }  # fmt: skip

    def ask(self) -> dict[str, Any]:
        """Return the filter's answer."""
        result = {"rc": 0, "stdout": json.dumps(self.answer), **self.result}
        hosts = {"i-1": {"_status_host": result}, "i-2": {"_status_client": self.client}}
        groups = {"grpc_servers": ["i-1"], "grpc_clients": ["i-2"], "stopped": self.stopped}
        return status_answer(self.asked, hosts, groups, self.settings)

    def wrong(self) -> list[str]:
        """Return what is found to be wrong, and where."""
        report: Any = self.ask()["report"]
        assert all(item["next"] for item in report["findings"])
        return [f"{item['where']}: {item['what']}" for item in report["findings"]]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def test_a_healthy_deployment_is_told_in_a_few_lines(deployment: Deployment) -> None:
    answer = deployment.ask()
    assert answer["problem"] == ""
    assert answer["report"]["healthy"] is True
    assert answer["lines"] == [
        "demo (lab): healthy",
        "service 192.0.2.1:50051: SERVING",
        "control node: ca 30 days, client 30 days",
        "i-1: release r1 since 2026-11-25T17:42:30Z, by ana from laptop, commit abc1234 (deploy)",
        "  unit active, 0 restarts, redirect loaded, saudacao-guard.service active",
        "  last 60 s: 100 calls, 0 errors, p50 0.1 ms, p99 1.5 ms",
        "  certificates: server 30 days",
        "  free: /opt 900 of 1000 MiB",
        "  drift: none",
    ]


def test_a_host_without_a_journal_says_unknown(deployment: Deployment) -> None:
    deployment.answer["deployed"] = None
    assert "i-1: release r1 since unknown, by unknown" in deployment.ask()["lines"]


CHANGES: dict[str, tuple[Change, str]] = {
    "no release": (lambda a: a["status"].update(release=None), "no release is in use"),
    "a stopped release": (
        lambda a: a["status"]["releases"]["r1"].update(state="failed"),
        "the release in use is failed",
    ),
    "a release that is gone": (
        lambda a: a["status"].update(releases={}),
        "the release in use is not installed",
    ),
    "a provisional release": (
        lambda a: a["status"].update(provisional=True),
        "release r1 is not confirmed: the host undoes it in time",
    ),
    "no redirect": (
        lambda a: a["status"].update(map={"equals_file": False}),
        "the kernel's redirect is not what the map file says",
    ),
    "no guard": (
        lambda a: a.update(units={"saudacao-guard.service": "failed"}),
        "saudacao-guard.service is failed",
    ),
    "errors": (lambda a: a["calls"].update(errors=2), "2 of 100 calls failed in the last minute"),
    "no journal": (lambda a: a["calls"].update(unknown="it broke"), "it broke"),
    "no certificate": (
        lambda a: a.update(certificates={"server.crt": "?"}),
        "the certificate of server cannot be read",
    ),
    "a full disk": (
        lambda a: a.update(disks={"/opt": {"free_mebibytes": 9, "total_mebibytes": 10}}),
        "only 9 MiB are free on /opt",
    ),
    "an edited unit": (
        lambda a: a["drift"].update(files={"/etc/x.service": "edited"}),
        "/etc/x.service was edited",
    ),
    "a drop-in": (
        lambda a: a["drift"].update(files={"/etc/x.conf": "changes a unit"}),
        "/etc/x.conf changes a unit",
    ),
    "an edited release": (
        lambda a: a["drift"].update(edited=["/opt/a.py: edited"]),
        "a file of the release in use differs: /opt/a.py: edited",
    ),
    "another package": (
        lambda a: a["drift"].update(packages={"nftables": "1.0 became 1.1"}),
        "package nftables: 1.0 became 1.1",
    ),
    "an interrupted run": (
        lambda a: a.update(interrupted=[RUN]),
        "the rotate of 2026-11-25T17:41:56Z by ana was interrupted",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_thing_that_is_wrong_is_found_alone(deployment: Deployment, name: str) -> None:
    change, said = CHANGES[name]
    change(deployment.answer)
    assert deployment.wrong() == [f"i-1: {said}"]


def test_one_error_in_a_hundred_calls_is_no_alarm(deployment: Deployment) -> None:
    deployment.answer["calls"]["errors"] = 1
    assert deployment.wrong() == []


def test_a_run_in_progress_is_shown_and_not_wrong(deployment: Deployment) -> None:
    deployment.answer["status"]["provisional"] = True
    deployment.answer["lease"] = {**RUN, "seconds_left": 29.7}
    answer = deployment.ask()
    assert answer["problem"] == ""
    assert answer["lines"][-1] == "  in progress: rotate by ana from laptop, lapses in 30 s"


def test_missing_records_are_said_to_be_missing(deployment: Deployment) -> None:
    drift = {"recorded": False, "manifest": False, "edited": [], "files": {}}
    deployment.answer["drift"] = drift
    assert deployment.ask()["lines"][-1] == "  drift: unknown, since nothing was recorded"
    deployment.answer["drift"] = {**drift, "recorded": True, "packages": {}}
    assert "installed without a list" in deployment.ask()["lines"][-1]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"unreachable": True, "msg": "timed out"}, "it cannot be reached: timed out"),
        ({"rc": 1, "stderr": "x\nno config"}, "grpc-switch cannot report: no config"),
        ({"rc": 2, "msg": "No such file"}, "grpc-switch cannot report: No such file"),
    ],
)
def test_a_host_that_does_not_answer_is_a_finding(
    deployment: Deployment, result: dict[str, Any], said: str
) -> None:
    deployment.result = result
    assert deployment.wrong() == [f"i-1: {said}"]


def test_a_service_that_does_not_serve_is_a_finding(deployment: Deployment) -> None:
    deployment.asked["health"] = {"rc": 1, "stdout": "", "stderr": "it does not pass: refused\n"}
    answer = deployment.ask()
    assert answer["problem"] == (
        "demo is not healthy: service: it does not pass: refused."
        " Next: ansible-playbook -i inventory/lab playbooks/logs.yml"
    )


def test_a_firewall_that_differs_comes_with_the_command_that_undoes_it(
    deployment: Deployment,
) -> None:
    rule = {"what": "sg-1 also lets in tcp 22 from 0.0.0.0/0", "next": "aws ec2 revoke"}
    deployment.asked["drift"] = [rule]
    answer = deployment.ask()
    assert answer["lines"][-2:] == [
        "  - security group: sg-1 also lets in tcp 22 from 0.0.0.0/0, unlike the stack's template",
        "      next: aws ec2 revoke",
    ]


def test_a_stopped_instance_is_a_finding(deployment: Deployment) -> None:
    deployment.stopped = ["i-2"]
    assert deployment.wrong() == ["i-2: the instance is stopped"]


def test_without_a_stack_nothing_else_is_said(deployment: Deployment) -> None:
    deployment.settings["has_stack"] = False
    deployment.asked = {"health": {"skipped": True}, "drift": []}
    answer = deployment.ask()
    assert answer["lines"] == [
        "demo (lab): NOT HEALTHY",
        "wrong:",
        "  - stack: there is none",
        "      next: ansible-playbook -i inventory/lab site.yml",
    ]


@pytest.mark.parametrize(("days", "left"), [(10.5, 10), (0.5, 0), (-2.5, -3)])
def test_days_are_whole_and_negative_once_it_has_expired(
    tmp_path: Path, days: float, left: int
) -> None:
    authority = Authority(tmp_path)
    authority.issue("old", days=days)
    assert days_left((tmp_path / "old.crt").read_text()) == left


def test_of_two_authorities_the_one_that_lasts_counts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("old", days=1.5)
    authority.issue("new", days=9.5)
    assert days_left((tmp_path / "old.crt").read_text() + (tmp_path / "new.crt").read_text()) == 9


def test_a_host_of_a_fleet_that_takes_no_calls_is_a_finding_with_its_console(
    deployment: Deployment,
) -> None:
    waiting = {"instance": "i-1", "ready": False, "said": "FAILED: no disk", "console": ["line"]}
    deployment.asked["fleet"] = {"wanted": 2, "hosts": [waiting]}
    answer = deployment.ask()
    assert "fleet: 0 of 2 hosts take calls" in answer["lines"]
    assert "  i-1: line" in answer["lines"]
    found = {(finding["where"], finding["what"]) for finding in answer["report"]["findings"]}
    assert ("i-1", "it takes no calls: FAILED: no disk") in found
    assert ("fleet", "1 of 2 hosts are there") in found


def test_hosts_that_failed_are_told_with_the_console_of_one_that_is_gone(
    deployment: Deployment,
) -> None:
    failure = {"instance": "i-0", "at": "2026-11-25T18:00:00Z", "why": "no disk", "console": ["x"]}
    found = {"wanted": 0, "hosts": [], "group": "g", "failures": [failure] * 5, "replaces": False}
    deployment.asked["fleet"] = found
    answer = deployment.ask()
    assert (
        "5 hosts in a row could not configure themselves, the last, i-0, at 2026-11-25T18:00:00Z:"
        " no disk; the group replaces no host any more"
    ) in {finding["what"] for finding in answer["report"]["findings"]}
    assert "  i-0: x" in answer["lines"]


def test_how_long_a_host_took_from_its_launch_is_told_part_by_part(deployment: Deployment) -> None:
    seconds = {"boot": 4.5, "starting": 2.0, "total": 6.5}
    host = {"instance": "i-1", "ready": True, "seconds": seconds}
    deployment.asked["fleet"] = {"wanted": 1, "hosts": [host]}
    line = "  i-1: ready 6.5 s after its launch: boot 4.5, starting 2"
    assert line in deployment.ask()["lines"]


def test_a_group_that_somebody_keeps_from_replacing_hosts_is_a_finding(
    deployment: Deployment,
) -> None:
    found = {"wanted": 0, "hosts": [], "group": "g", "failures": [], "replaces": False}
    deployment.asked["fleet"] = found
    [finding] = deployment.ask()["report"]["findings"]
    assert finding["what"] == "the group replaces no host any more"
    assert finding["next"].endswith("resume-processes --auto-scaling-group-name g")


LOCK = {"action": "deploy", "by": "ana", "from": "laptop", "id": "2"}


def test_who_changes_a_fleet_and_how_the_last_run_ended_is_told(deployment: Deployment) -> None:
    deployment.asked["fleet"] = {"wanted": 0, "hosts": []}
    ended = {**RUN, "outcome": "failed", "reason": "no luck"}
    lock = {"lease": {**LOCK, "seconds_left": 42.0}, "runs": [ended], "interrupted": []}
    deployment.asked["lock"] = lock
    answer = deployment.ask()
    assert "  the rotate of 2026-11-25T17:41:56Z by ana: failed: no luck" in answer["lines"]
    assert "  in progress: deploy by ana from laptop, lapses in 42 s" in answer["lines"]
    assert answer["report"]["fleet"]["runs"] == [ended]
    assert answer["report"]["healthy"] is True


def test_a_run_of_a_fleet_that_was_interrupted_is_a_finding(deployment: Deployment) -> None:
    deployment.asked["fleet"] = {"wanted": 0, "hosts": []}
    open_run = {**RUN, "outcome": None}
    deployment.asked["lock"] = {"lease": None, "runs": [open_run], "interrupted": [open_run]}
    [finding] = deployment.ask()["report"]["findings"]
    assert finding["where"] == "fleet"
    assert finding["what"] == "the rotate of 2026-11-25T17:41:56Z by ana was interrupted"


CLIENT: dict[str, Any] = {
    "at": "2026-11-25T18:00:00.500Z", "release": "r1", "since": "2026-11-25T17:00:00.000Z",
    "calls": 3600, "failed": 2, "wrong": 1, "latency_ms": {"p50": 2.5, "p99": 20.0},
    "last_failure": {"at": "2026-11-25T17:30:00.000Z", "status": "UNAVAILABLE", "message": "gone"},
}  # fmt: skip


def client(now: str, **changes: Any) -> dict[str, Any]:
    return {"rc": 0, "stdout": f"{json.dumps({**CLIENT, **changes})}\n{now}"}


def test_what_a_client_has_counted_is_told(deployment: Deployment) -> None:
    deployment.client = client("2026-11-25T18:00:01Z")
    answer = deployment.ask()
    assert answer["problem"] == ""
    assert answer["lines"][-3:] == [
        "i-2: the client of r1 since 2026-11-25T17:00:00.000Z",
        "  3600 calls, 2 failed, 1 wrong, p50 2.5 ms, p99 20 ms",
        "  last failure at 2026-11-25T17:30:00.000Z: UNAVAILABLE: gone",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (client("2026-11-25T18:02:01Z"), "its client has not called for 120 s"),
        (
            client("2026-11-25T18:00:01Z", last_failure={**CLIENT["last_failure"],
                                                         "at": "2026-11-25T17:59:59.000Z"}),
            "a call of its client failed: failure at 2026-11-25T17:59:59.000Z: UNAVAILABLE: gone",
        ),
        ({"rc": 1, "stdout": "", "stderr": "cat: no such file"}, "no client runs here"),
        ({"unreachable": True, "msg": "timed out"}, "it cannot be reached: timed out"),
    ],
)  # fmt: skip
def test_a_client_that_does_not_call_or_fails_now_is_a_finding(
    deployment: Deployment, answer: dict[str, Any], said: str
) -> None:
    deployment.client = answer
    assert deployment.wrong() == [f"i-2: {said}"]


def alarm(state: str) -> dict[str, str]:
    said = "It is silent. What to do: docs/monitoring.md#a-server-is-silent"
    return {"name": "demo-silent", "state": state, "since": "2026-11-25T18:00:00Z",
            "reason": "r", "description": said}  # fmt: skip


def test_an_alarm_is_a_finding_that_says_where_to_read(deployment: Deployment) -> None:
    deployment.asked["cloud"] = {"alarms": [alarm("ALARM")], "calls": {}}
    report: Any = deployment.ask()["report"]
    (found,) = report["findings"]
    assert found == {
        "where": "alarm demo-silent since 2026-11-25T18:00:00Z",
        "what": "It is silent.",
        "next": "read docs/monitoring.md#a-server-is-silent",
    }


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_is_not_raised_is_none(deployment: Deployment, state: str) -> None:
    deployment.asked["cloud"] = {"alarms": [alarm(state)], "calls": {}}
    answer = deployment.ask()
    assert answer["problem"] == ""
    assert "alarms: none of 1" in answer["lines"]


def test_calls_of_a_host_that_cannot_be_reached_are_cloudwatchs(deployment: Deployment) -> None:
    calls = {"seconds": 60, "calls": 7, "errors": 7, "p50_ms": 0.1, "p99_ms": 1.5}
    deployment.asked["cloud"] = {"alarms": [], "calls": {"i-1": calls}}
    assert "i-1: 7 of 7 calls failed in the last minute" in deployment.wrong()
    deployment.result = {"unreachable": True, "msg": "timed out"}
    assert deployment.wrong() == [
        "i-1: it cannot be reached: timed out",
        "i-1: 7 of 7 calls failed in the last minute",
    ]
