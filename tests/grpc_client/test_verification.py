"""The filter `verification`: what hosts say is judged line by line."""

import json
from typing import Any

import pytest

from roles.grpc_client.filter_plugins.verification import calls_to_find, hosts_asked, verification

IDS = ["ab-0", "ab-1"]
SUMMARY = {
    "calls": 2,
    "failed": 0,
    "wrong": 0,
    "releases": {"r2": 2},
    "request_ids": IDS,
    "latency_ms": {"p99": 1.5},
}
EXPECTED = {
    "endpoint": "192.0.2.1:50051",
    "output": "Olá, Leonardo!",
    "calls": 2,
    "release": "r2",
    "service": "saudacao",
    "inventory": "inventory/lab",
}


def result(stdout: str = "", rc: int | None = 0, stderr: str = "") -> dict[str, Any]:
    return {"argv": ["client", "Ana Rui"], "rc": rc, "stdout": stdout, "stderr": stderr}


def calls(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answers = {
        "greeting": result("Olá, Leonardo!\n"),
        "concurrent calls": result(json.dumps(SUMMARY)),
        "health": result("is SERVING\n"),
        "no certificate": result("refuses\n"),
    }
    return answers | {name.replace("_", " "): value for name, value in changes.items()}


def host(release: str = "r2", state: str = "active", **changes: Any) -> dict[str, dict[str, Any]]:
    status = {"release": release, "provisional": False, "releases": {release: {"state": state}}}
    journal = "\n".join(f'"request_id":"{request_id}"' for request_id in IDS)
    return {"status": result(json.dumps(status | changes)), "journal": result(journal)}


def judged(answers: dict[str, Any], hosts: dict[str, Any], **expected: object) -> dict[str, Any]:
    report: Any = verification(answers, hosts, EXPECTED | expected)["report"]
    return {line["name"]: line for line in report["lines"]} | {"all": report["passed"]}


def test_all_holds_on_hosts_that_share_the_calls() -> None:
    one, two = host(), host()
    one["journal"], two["journal"] = result('"request_id":"ab-0"'), result('"request_id":"ab-1"')
    lines = judged(calls(), {"i-1": one, "i-2": two})
    assert lines["all"]
    assert lines["logs"]["found"] == "2 of 2 on i-1, i-2"


def test_a_call_that_no_journal_has_is_named() -> None:
    silent = host() | {"journal": result('"request_id":"ab-0"', rc=0)}
    line = judged(calls(), {"i-1": silent})["logs"]
    assert not line["passed"]
    assert "1 of 2 on i-1" in line["found"]
    assert "ab-1" in line["found"]
    assert line["next"].startswith("ansible -i inventory/lab grpc_servers")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (host("r1"), "r1 on i-2"),
        (host("r2", "failed"), "r2 (failed) on i-2"),
        (host(provisional=True), "r2 (not confirmed) on i-2"),
        (host() | {"status": result(json.dumps({"release": None}))}, "no release on i-2"),
        (host() | {"status": result(rc=2)}, "no working grpc-switch on i-2"),
        ({"status": {"unreachable": True}}, "nothing that could be asked on i-2"),
    ],
)
def test_a_host_that_does_not_run_the_release_is_named(status: dict[str, Any], found: str) -> None:
    line = judged(calls(), {"i-1": host(), "i-2": status})["release"]
    assert not line["passed"]
    assert found in line["found"]
    assert "r2 on every host" in line["expected"]


def test_replies_from_another_release_are_found() -> None:
    answered = result(json.dumps(SUMMARY | {"releases": {"r1": 1, "r2": 1}}))
    line = judged(calls(concurrent_calls=answered), {"i-1": host()})["release"]
    assert not line["passed"]
    assert "replies from r1 and r2" in line["found"]


def test_hosts_that_agree_are_enough_when_nothing_was_deployed_just_now() -> None:
    assert judged(calls(), {"i-1": host(), "i-2": host()}, release="")["release"]["passed"]
    assert not judged(calls(), {"i-1": host("r1"), "i-2": host()}, release="")["release"]["passed"]


def test_a_probe_that_prints_no_json_is_quoted() -> None:
    broken = result("Traceback", rc=1, stderr="one\nlast words\n")
    line = judged(calls(concurrent_calls=broken), {"i-1": host()})["concurrent calls"]
    assert (line["passed"], line["found"]) == (False, "last words")


def test_an_expired_certificate_is_renewed_by_the_next_command() -> None:
    expired = result(rc=1, stderr="CERTIFICATE_VERIFY_FAILED: certificate has expired")
    line = judged(calls(greeting=expired), {"i-1": host()})["greeting"]
    assert line["next"] == "ansible-playbook -i inventory/lab playbooks/deploy.yml"


def test_too_few_calls_do_not_pass() -> None:
    lines = judged(calls(), {"i-1": host()}, calls=200)
    assert not lines["concurrent calls"]["passed"]
    assert lines["concurrent calls"]["next"] == "client 'Ana Rui'"


def test_without_a_probe_any_logged_call_will_do() -> None:
    assert calls_to_find({"greeting": result()}) == ['"event":"call"']


def test_hosts_outside_the_limit_were_not_asked() -> None:
    asked = {"_grpc_client_status": result(), "_grpc_client_journal": result()}
    assert hosts_asked({"i-1": asked, "i-2": {}}, ["i-1", "i-2"]).keys() == {"i-1"}
