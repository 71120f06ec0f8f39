"""A user's own tasks around each verb: what they are told, and what their failure does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment, Run

AGE = {"SERVER_MAX_CONNECTION_AGE": 2, "SERVER_MAX_CONNECTION_AGE_GRACE": 6}
OTHER = json.dumps({"release_settings": {**AGE, "SERVER_REFLECTION": "true"}})
NOTES = """\
- name: Note what the hook was told
  ansible.builtin.lineinfile:
    path: {notes}
    line: "{{{{ hook | to_json }}}}"
    create: true
    mode: "0600"
  delegate_to: localhost
  become: false
"""
FAILS = """\
- name: Refuse
  ansible.builtin.fail:
    msg: the calendar says no
"""


class Hooks:
    """Hook files in a folder, and the notes that they take."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes"
        self.noting, self.failing = folder / "noting.yml", folder / "failing.yml"
        self.noting.write_text(NOTES.format(notes=self._notes))
        self.failing.write_text(FAILS)

    def on(self, *actions: str) -> tuple[str, ...]:
        """Return the options that note before and after actions."""
        names = [f"hook_{stage}_{action}" for action in actions for stage in ("before", "after")]
        return ("-e", json.dumps(dict.fromkeys(names, str(self.noting))))

    def taken(self) -> list[dict[str, Any]]:
        """Return the notes, and forget them."""
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        self._notes.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Environment:
    return new_environment("hooks", release_settings=AGE)


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Hooks:
    return Hooks(tmp_path_factory.mktemp("hooks"))


def failed_deploy(environment: Environment, hooks: Hooks, hook: str) -> Run:
    """Deploy another release with a hook that fails; the one in use has to stay."""
    before = environment.status()["release"]
    failing = ("-e", json.dumps({hook: str(hooks.failing)}))
    run = environment.playbook("playbooks/deploy.yml", "-e", OTHER, *failing, expect=2)
    after = environment.status()
    assert (after["release"], after["settled"]) == (before, True)
    assert "the calendar says no" in run.output
    return run


def last_run(environment: Environment) -> dict[str, Any]:
    runs = json.loads(environment.on_host("/usr/local/sbin/grpc-switch journal"))["runs"]
    last: dict[str, Any] = runs[-1]
    return last


def test_they_are_told_action_stage_release_hosts_and_outcome(
    environment: Environment, hooks: Hooks
) -> None:
    environment.playbook("site.yml", *hooks.on("provision", "deploy"))
    told = hooks.taken()
    release = environment.status()["release"]
    assert [(note["action"], note["stage"], note["release"]) for note in told] == [
        ("provision", "before", None),
        ("provision", "after", None),
        ("deploy", "before", release),
        ("deploy", "after", release),
    ]
    assert [note.get("outcome") for note in told] == [None, "done", None, "done"]
    assert told[0]["hosts"] == []
    assert len(told[1]["hosts"]) == 1
    assert told[1]["hosts"] == told[2]["hosts"] == told[3]["hosts"]


def test_one_that_fails_before_stops_the_run_with_nothing_changed(
    environment: Environment, hooks: Hooks
) -> None:
    before = environment.on_host("ls /opt/saudacao/releases")
    failed_deploy(environment, hooks, "hook_before_deploy")
    assert environment.on_host("ls /opt/saudacao/releases") == before


def test_one_that_fails_after_the_proof_takes_the_release_back(
    environment: Environment, hooks: Hooks
) -> None:
    run = failed_deploy(environment, hooks, "hook_after_deploy")
    assert f"What runs there now: {environment.status()['release']}" in run.output
    ended = last_run(environment)
    assert (ended["outcome"], ended["reason"]) == ("failed", "the calendar says no")


def test_they_see_a_rollback(environment: Environment, hooks: Hooks) -> None:
    current = environment.status()
    (other,) = set(current["releases"]) - {current["release"]}
    options = hooks.on("rollback")
    environment.playbook("playbooks/rollback.yml", "-e", f"release={other}", *options)
    told = hooks.taken()
    assert [(note["action"], note["stage"]) for note in told] == [
        ("rollback", "before"),
        ("rollback", "after"),
    ]
    assert (told[0]["previous"], told[0]["release"]) == (current["release"], other)
    assert last_run(environment)["action"] == "rollback"


@pytest.mark.parametrize("playbook", ["playbooks/provision.yml", "playbooks/deploy.yml"])
def test_one_that_is_not_there_is_named_before_anything_is_changed(
    environment: Environment, playbook: str
) -> None:
    verb = Path(playbook).stem
    options = ("-e", OTHER, "-e", f"hook_after_{verb}=nowhere.yml")
    run = environment.playbook(playbook, *options, expect=2)
    assert "The hook nowhere.yml is not a file on the control node" in run.output


@pytest.mark.parametrize(
    ("playbook", "options", "why"),
    [
        ("playbooks/provision.yml", ("-e", "ssh_ingress_cidr=0.0.0.0/0"), "0.0.0.0/0"),
        ("teardown.yml", (), "the calendar says no"),
    ],
)
def test_the_one_after_is_told_that_the_run_failed(
    environment: Environment, hooks: Hooks, playbook: str, options: tuple[str, ...], why: str
) -> None:
    verb = Path(playbook).stem
    before = {} if options else {f"hook_before_{verb}": str(hooks.failing)}
    chosen = {f"hook_after_{verb}": str(hooks.noting), **before}
    run = environment.playbook(playbook, *options, "-e", json.dumps(chosen), expect=2)
    (told,) = hooks.taken()
    assert (told["action"], told["stage"], told["outcome"]) == (verb, "after", "failed")
    assert why in told["reason"]
    assert len(told["hosts"]) == 1
    assert told["reason"] in run.output


def test_they_see_a_teardown(environment: Environment, hooks: Hooks) -> None:
    environment.playbook("teardown.yml", *hooks.on("teardown"))
    told = hooks.taken()
    assert [(note["stage"], note.get("outcome")) for note in told] == [
        ("before", None),
        ("after", "done"),
    ]
    journal = (environment.state.parent / "journal.jsonl").read_text().splitlines()
    ends = [line for line in map(json.loads, journal) if line["event"] == "end"]
    assert ends[-1]["outcome"] == "done"
