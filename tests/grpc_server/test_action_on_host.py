"""The action `grpc_switch` on a real host: answers, refusals and check mode."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.grpc_server.conftest import Deployment

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(deployment: Deployment, tmp_path: Path) -> Ask:
    """Return a function that runs the action once and returns its result."""

    def run(*flags: str, **options: object) -> dict[str, Any]:
        result = tmp_path / "result.json"
        tasks = [
            {
                "block": [{"grpc_switch": options, "register": "it"}],
                "rescue": [{"ansible.builtin.debug": {"var": "it"}}],
            },
            {
                "local_file": {
                    "path": str(result),
                    "content": "{{ it | to_json }}",
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "become": False,
                "check_mode": False,
            },
        ]
        play = {"hosts": "grpc_servers", "gather_facts": False, "become": True, "tasks": tasks}
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([play]))
        deployment.play(*flags, playbook=str(playbook))
        return dict(json.loads(result.read_text()))

    return run


def test_a_question_is_answered_and_changes_nothing(ask: Ask, deployment: Deployment) -> None:
    result = ask(argv=["status"])
    assert json.loads(result["stdout"])["release"] == deployment.release
    assert (result["rc"], result["stderr"], result["changed"]) == (0, "", False)


def test_a_refusal_says_why(ask: Ask) -> None:
    result = ask(argv=["switch", "no-such"])
    assert (result["failed"], result["rc"], result["stdout"]) == (True, 1, "")
    assert result["msg"].startswith("grpc-switch switch: release no-such is not installed here.")


def test_whether_something_changed_is_what_the_program_says(ask: Ask) -> None:
    assert ask(argv=["record"])["changed"] is False
    assert ask(argv=["end", "some-run", "--json", '{"outcome": "done"}'])["changed"] is True


def test_a_file_is_brought_and_taken(ask: Ask, deployment: Deployment) -> None:
    path = f"/opt/saudacao/incoming/{deployment.release}.tar"
    result = ask(argv=["install", path], src=str(deployment.archive), dest=path)
    assert json.loads(result["stdout"]) == {"changed": False, "release": deployment.release}
    assert deployment.host.run("ls /opt/saudacao/incoming").stdout == ""


def test_a_check_runs_nothing(ask: Ask, deployment: Deployment) -> None:
    assert ask("--check", argv=["switch", "no-such"])["changed"] is False
    path = "/opt/saudacao/incoming/none.tar"
    assert ask("--check", argv=["install", path], src="none.tar", dest=path)["changed"] is True
    assert deployment.host.run("ls /opt/saudacao/incoming").stdout == ""
