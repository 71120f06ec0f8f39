"""The page: what it says, what it never says, and that it is one well-made HTML file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.report.past import said
from tests.report.markup import Markup
from tests.report.sample import BEGIN, NEW, NOW, OLD, Deployment, run

HOST = "i-0a1b2c3d4e5f60718"
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b"
MARKER = "-----BEGIN PRIVATE KEY-----\nmarker-of-a-key"


def text(deployment: Deployment) -> str:
    return Markup(deployment.html()).text


def test_a_page_says_what_there_is_to_say(deployment: Deployment) -> None:
    found = text(deployment)
    for words in (
        "saudacao · environment test · us-east-1", "Healthy", "203.0.113.7:50051", "t3.micro",
        "us-east-1a", NEW, "5120 of 8192 MiB", "Calls a minute", "INVALID_ARGUMENT",
        "by ana from laptop , commit abc1234", "3 of 410 calls failed", "from 0.4.0-3f9c1a7be2",
        "2,425 calls, each with its right reply", "The run: done", "concurrent calls",
        "server.crt", "80 days", "✓ none", "11.88 USD a month",
    ):  # fmt: skip
        assert words in found, words


def test_it_is_one_file_that_asks_for_nothing(deployment: Deployment) -> None:
    """No script and no handler; whatever it refers to is in it."""
    markup = Markup(deployment.html())
    assert markup.badly_nested == []
    assert not {tag for tag, _ in markup.elements} & {"script", "iframe", "object", "embed", "form"}
    assert not [name for _, values in markup.elements for name in values if name.startswith("on")]
    references = markup.attributes("href", "src", "srcset", "action", "data", "poster")
    ids = markup.attributes("id")
    assert set(references) <= {"data:,", *(f"#{name}" for name in ids)}
    assert len(ids) == len(set(ids))
    page = deployment.html()
    assert "url(" not in page
    assert "@import" not in page


def test_each_picture_has_words_and_numbers_beside_it(deployment: Deployment) -> None:
    markup = Markup(deployment.html())
    pictures = [values for tag, values in markup.elements if tag == "svg"]
    assert len(pictures) == 4
    ids = set(markup.attributes("id"))
    assert all(set(values["aria-labelledby"].split()) <= ids for values in pictures)
    assert len([tag for tag, _ in markup.elements if tag == "table"]) >= 8


def test_the_same_answers_make_the_same_page(deployment: Deployment) -> None:
    assert deployment.html() == deployment.html()


def hostile(value: Any) -> Any:
    """Return a value with each text in it made hostile, also those that are keys of a log."""
    if isinstance(value, str):
        return value if value.startswith(("20", "-----")) else f"{value}{HOSTILE}"
    if isinstance(value, list):
        return [hostile(item) for item in value]
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    return value


def test_hostile_words_do_not_become_markup(deployment: Deployment) -> None:
    """Whoever deploys, and every host, may write what they like."""
    deployment.plan["hosts"] = {"i-1": ["a line"]}
    before = [tag for tag, _ in Markup(deployment.html()).elements]
    kept = {name: deployment.status.pop(name) for name in ("time", "hosts")}
    deployment.status = hostile(deployment.status) | kept
    for entry in deployment.history["runs"]:
        entry |= {key: f"{entry[key]}{HOSTILE}" for key in ("by", "from", "commit", "release")}
    deployment.history["runs"][1]["reason"] += HOSTILE
    releases = deployment.answer["status"]["releases"]
    deployment.answer["status"]["releases"] = hostile(releases)
    deployment.verification["lines"] = hostile(deployment.verification["lines"])
    deployment.proof |= {"release": NEW + HOSTILE, "previous": OLD + HOSTILE}
    for one in deployment.history["slices"]:
        one["releases"] = {f"{name}{HOSTILE}": n for name, n in one["releases"].items()}
    deployment.plan["hosts"] = {f"i-1{HOSTILE}": [HOSTILE]}
    deployment.settings["stack"] = hostile(deployment.settings["stack"]) | {"Topology": "single"}
    page = deployment.html()
    assert [tag for tag, _ in Markup(page).elements] == before
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 30
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_a_key_never_shows(deployment: Deployment) -> None:
    for place in (deployment.history["runs"][1], deployment.verification["lines"][0]):
        place |= {"reason": MARKER, "found": MARKER}
    deployment.status["findings"] = [{"where": "x", "what": MARKER, "next": MARKER}]
    deployment.hostvars[HOST]["_status_host"] = {
        "stdout": json.dumps({"certificates": {"server.crt": deployment.pem + MARKER}})
    }
    (deployment.folder / "ca.crt").write_text(deployment.pem + MARKER)
    page = deployment.html()
    assert "withheld" in page
    assert "marker-of-a-key" not in page
    assert "BEGIN" not in page


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (None, ""),
        ("x" * 300, "x" * 240 + " …"),
        ("it did not start\nnome=Maria", "it did not start"),
        ('It said last: {"event":"call","nome":"Maria"}. Its log', "It said last …"),
    ],
)
def test_a_reason_is_shown_without_what_a_log_said(reason: str | None, shown: str) -> None:
    """Such lines have whatever a handler wrote, a caller's data too."""
    assert said(reason) == shown


def test_what_is_wrong_comes_first_with_the_command(deployment: Deployment) -> None:
    finding = {"where": HOST, "what": "the disk is full", "next": "ansible-playbook site.yml"}
    deployment.status |= {"healthy": False, "findings": [finding]}
    found = text(deployment)
    assert "Not healthy : 1 thing is wrong" in found
    assert f"{HOST}: the disk is full ansible-playbook site.yml" in found


def test_a_switch_is_marked_in_plots_and_history(deployment: Deployment) -> None:
    markup = Markup(deployment.html())
    assert [values["d"] for _, values in markup.elements if values.get("class") == "mark"][:3] == [
        "M722.2 0v1000"
    ] * 3
    assert "a the host begins to start the new release 0.00 s" in markup.text
    assert "c new connections go to it, and it has answered one 0.71 s" in markup.text


def test_a_deployment_that_is_young_is_shown_from_its_beginning(deployment: Deployment) -> None:
    """The hours in which it was not there would squeeze the rest into a corner."""
    assert "Figures of the last 6 h" in text(deployment)
    deployment.history["runs"] = [run(1, NOW - 1800)]
    assert "Figures of the last 30 min" in text(deployment)
    deployment.history["runs"] = [run(1, NOW - 60)]
    assert "Figures of the last 15 min" in text(deployment)
    deployment.history["runs"] = [run(n, NOW - 60) for n in range(50)]
    assert "Figures of the last 6 h" in text(deployment)


Change = Callable[[Deployment], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "an unreachable host": (
        lambda d: (
            d.hostvars[HOST].update(_report_host={"unreachable": True}, _status_host={}),
            d.status["hosts"].update({HOST: {"reachable": False, "said": "it timed out"}}),
        ),
        "it timed out",
    ),
    "an old program": (
        lambda d: d.hostvars[HOST].update(_report_host={"rc": 2, "stderr": "usage"}),
        "too old to count calls: deploy first",
    ),
    "a host left out": (lambda d: d.hostvars[HOST].update(_report_host={}), "--limit left it out"),
    "a log that cannot be read": (
        lambda d: d.history.update(unknown="journalctl ended with 1", slices=[]),
        "journalctl ended with 1",
    ),
    "a log that is too long": (
        lambda d: d.history.update(since=BEGIN + 3600),
        "The log is long: only what came after",
    ),
    "no calls": (lambda d: d.history.update(slices=[]), "There were no calls."),
    "no runs": (lambda d: d.history.update(runs=[]), "The hosts remember no run."),
    "no proof": (lambda d: d.proof.clear(), "No switch was proven from this control node"),
    "a proof without progress": (
        lambda d: d.proof.update(progress=[], moments={}),
        "2,425 calls, each with its right reply",
    ),
    "a failed proof": (
        lambda d: d.proof.update(
            failed=3, first_failure={"status": "INTERNAL", "at": "t", "request_id": "q-1"}
        ),
        "3 of 2425 calls failed or were answered wrongly , the first with INTERNAL, t, q-1",
    ),
    "no verification": (lambda d: d.verification.clear(), "each with its right reply"),
    "a run in progress": (
        lambda d: (
            d.history["runs"].append(run(4, NOW - 9, outcome=None)),
            d.answer.update(lease={"id": "run4"}),
        ),
        "in progress",
    ),
    "an interrupted run": (
        lambda d: d.history["runs"].append(run(4, NOW - 9, outcome=None)),
        "✗ interrupted",
    ),
    "drift": (
        lambda d: d.answer.update(drift={**d.answer["drift"], "files": {"/etc/x": "edited"}}),
        "✗ /etc/x: edited",
    ),
    "a plan": (
        lambda d: d.plan.update(hosts={"i-1": ["switch from a to b"]}),
        "i-1: switch from a to b",
    ),
    "an open firewall": (
        lambda d: d.status.update(security_group_drift=[{"what": "sg-1 lets in all"}]),
        "✗ sg-1 lets in all",
    ),
    "an unknown price": (
        lambda d: d.hostvars[HOST].update(ec2_instance_type="z9.huge"),
        "Without: instance z9.huge, whose price is not known.",
    ),
    "AWS itself": (lambda d: d.settings.update(local=False), "About 11.88 USD a month"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_missing_or_wrong_is_said(deployment: Deployment, name: str) -> None:
    change, words = CHANGES[name]
    change(deployment)
    markup = Markup(deployment.html())
    assert words in markup.text
    assert markup.badly_nested == []


def test_a_deployment_without_a_stack_has_a_page_too(deployment: Deployment) -> None:
    finding = {"where": "stack", "what": "there is none", "next": "ansible-playbook site.yml"}
    deployment.status |= {"healthy": False, "findings": [finding], "hosts": {}}
    deployment.groups = {"grpc_servers": [], "grpc_clients": [], "stopped": []}
    deployment.settings["stack"] = {}
    assert "stack: there is none ansible-playbook site.yml" in text(deployment)


def test_a_fleet_is_added_up(deployment: Deployment) -> None:
    other = "i-0ffffffffffffffff"
    alone = text(deployment)
    deployment.hostvars[other] = {**deployment.hostvars[HOST], "availability_zone": "us-east-1b"}
    deployment.status["hosts"][other] = deployment.answer
    deployment.status["fleet"] = {"wanted": 2, "hosts": [{"ready": True}, {"ready": False}]}
    deployment.groups["grpc_servers"].append(other)
    deployment.groups["stopped"].append("i-0stopped")
    deployment.settings["stack"] |= {"Topology": "fleet"}
    both = text(deployment)
    assert "1 of 2 hosts take calls" in both
    assert "i-0stopped ✗ stopped" in both
    calls = [
        int(found.split(" Costs Calls ")[1].split()[0].replace(",", "")) for found in (alone, both)
    ]
    assert calls[1] == 2 * calls[0]
    # Two instances, a balancer, five addresses, three volumes.
    assert "51.78 USD a month" in both


def test_a_file_that_is_no_json_is_as_none(deployment: Deployment, tmp_path: Path) -> None:
    deployment.html()
    for name in ("verification.json", f"proof-{HOST}.json"):
        assert (tmp_path / "deploy" / name).is_file()
    deployment.proof = deployment.verification = []
    assert "No switch was proven" in text(deployment)
