"""A made-up deployment with two days behind it, as the roles hand it to the page."""

import json
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roles.report.filter_plugins.report_page import report_page
from tests.app.pki import Authority

NOW = int(time.time()) // 60 * 60
HOURS = 6
BEGIN = NOW - HOURS * 3600
OLD, NEW = "0.4.0-3f9c1a7be2", "0.4.1-b02d55c9e8"
SWITCHED = NOW - 2 * 3600 + 20 * 60
PRICES = {
    "of": "of a test", "currency": "USD", "address": 0.005, "balancer": 0.0225,
    "gibibyte_month": 0.08, "instances": {"t3.micro": 0.0104},
}  # fmt: skip
DRIFT: dict[str, Any] = {
    "recorded": True, "manifest": True, "edited": [], "files": {}, "packages": {}
}  # fmt: skip


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def run(number: int, at: float, **values: Any) -> dict[str, Any]:
    """Return a run as the host's journal has it."""
    return {
        "id": f"run{number}", "at": iso(at), "action": "deploy", "release": OLD, "by": "ana",
        "from": "laptop", "commit": "abc1234", "environment": "test", "outcome": "done",
        "reason": None, "calls": 2140, "ended": iso(at + 24), **values,
    }  # fmt: skip


def slices() -> Iterator[dict[str, Any]]:
    """Yield a day's tide of calls, with a switch, some errors, and a quiet time."""
    for minute in range(HOURS * 60):
        at = BEGIN + minute * 60
        calls = round(900 + 500 * math.sin(minute / 47) + 90 * math.sin(minute * 1.7))
        if 60 <= minute < 75:
            continue
        faults = 40 - abs(minute - 150) if abs(minute - 150) < 8 else 0
        release = OLD if at < SWITCHED else NEW
        slow = 60 if faults else 26
        yield {
            "at": at,
            "codes": {"OK": calls - faults - 2, "INTERNAL": faults, "INVALID_ARGUMENT": 2},
            "releases": {release: calls},
            "took": {"-12": calls // 2, "-4": calls // 2 - 20, str(slow + minute % 7): 20},
        }


class Deployment:
    """A healthy deployment, which a test changes before it asks for the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(folder)
        authority.issue("server", days=80)
        authority.issue("client", days=80)
        self.pem = (folder / "server.crt").read_text()
        # The authority of these tests lives for a day only.
        (folder / "ca.crt").write_text(self.pem)
        self.history: dict[str, Any] = {
            "now": NOW, "begin": BEGIN, "since": BEGIN, "width": 60, "unknown": "",
            "slices": list(slices()),
            "runs": [
                run(1, NOW - 40 * 3600),
                run(2, NOW - 20 * 3600, release=NEW, outcome="failed",
                    reason="3 of 410 calls failed or were answered wrongly. The first: INTERNAL"),
                run(3, SWITCHED - 24, release=NEW),
            ],
        }  # fmt: skip
        self.answer: dict[str, Any] = {
            "reachable": True,
            "status": {
                "release": NEW, "provisional": False,
                "releases": {
                    OLD: {"state": "inactive", "version": "0.4.0", "restarts": 0,
                          "memory_bytes": None, "deployed": iso(NOW - 40 * 3600),
                          "deployed_by": "ana"},
                    NEW: {"state": "active", "version": "0.4.1", "restarts": 0,
                          "memory_bytes": 47_000_000, "deployed": iso(SWITCHED),
                          "deployed_by": "ana"},
                },
            },
            "lease": None,
            "calls": {"calls": 1043, "errors": 0},
            "disks": {"/opt": {"free_mebibytes": 5120, "total_mebibytes": 8192}},
            "drift": DRIFT,
        }  # fmt: skip
        self.status: dict[str, Any] = {
            "time": iso(NOW), "deployment": "saudacao", "environment": "test", "healthy": True,
            "findings": [], "service": {"serving": True}, "security_group_drift": [],
            "hosts": {"i-0a1b2c3d4e5f60718": self.answer},
        }  # fmt: skip
        self.hostvars: dict[str, dict[str, Any]] = {
            "i-0a1b2c3d4e5f60718": {
                "ec2_instance_type": "t3.micro", "availability_zone": "us-east-1a",
                "ansible_host": "203.0.113.7", "_report_host": {"rc": 0},
                "_status_host": {"stdout": json.dumps({"certificates": {"server.crt": self.pem}})},
            }
        }  # fmt: skip
        self.groups = {"grpc_servers": ["i-0a1b2c3d4e5f60718"], "grpc_clients": [], "stopped": []}
        self.settings: dict[str, Any] = {
            "command": "ansible-playbook -i inventory/test playbooks/report.yml",
            "directory": str(folder), "certificates": str(folder), "certificate_days": 7,
            "gibibytes": 8, "prices": PRICES, "local": True,
            "stack": {"Topology": "single", "Region": "us-east-1",
                      "Endpoint": "203.0.113.7:50051"},
        }  # fmt: skip
        self.proof: Any = proof()
        self.plan: Any = {"time": iso(SWITCHED), "stack": [], "hosts": {}}
        self.verification: Any = {
            "time": iso(SWITCHED), "passed": True,
            "lines": [
                {"name": "greeting", "passed": True, "found": "'Olá, Leonardo!'"},
                {"name": "concurrent calls", "passed": True,
                 "found": "200 calls, 0 failed, 0 wrong, p99 31.2 ms"},
            ],
        }  # fmt: skip

    def html(self) -> str:
        """Return the page."""
        (self.folder / "verification.json").write_text(json.dumps(self.verification))
        (self.folder / "plan.json").write_text(json.dumps(self.plan))
        (self.folder / "proof-i-0a1b2c3d4e5f60718.json").write_text(json.dumps(self.proof))
        for known in self.hostvars.values():
            if known["_report_host"].get("rc") == 0:
                known["_report_host"]["stdout"] = json.dumps(self.history)
        return report_page(self.status, self.hostvars, self.groups, self.settings)


def proof() -> dict[str, Any]:
    """Return what the role keeps of a switch: at first one release answers, then the other."""
    progress = []
    new = 0
    for half in range(26):
        at = SWITCHED - 1.4 + half / 2
        new += round(97 * max(0.0, min(1.0, (half - 2) / 8 + 0.3))) if half > 2 else 0
        releases = {OLD: half * 97 - new, NEW: new}
        progress.append({"at": at, "calls": half * 97, "bad": 0, "releases": releases})
    figures = {"calls": 1210, "p50": 2.1, "p99": 14.2}
    return {
        "run": "run3", "action": "deploy", "release": NEW, "previous": OLD, "calls": 2425,
        "failed": 0, "wrong": 0, "seconds": 12.5, "first_failure": None,
        "releases": progress[-1]["releases"],
        "by_release": {OLD: {"fresh": figures}, NEW: {"persistent": figures, "fresh": figures}},
        "moments": {"began": SWITCHED - 0.714, "ready": SWITCHED - 0.31, "switched": SWITCHED},
        "progress": progress,
    }  # fmt: skip
