"""What a playbook says of a host that it could not reach, and what its journal has of that."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture
def closed_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def play(folder: Path, port: int, *tasks: dict[str, object]) -> tuple[int, str]:
    """Run tasks for the host `gone`, of which only `delegate_to` and the journal's need no host."""
    inventory = folder / "inventory.yml"
    host = {"ansible_host": "127.0.0.1", "ansible_port": port}
    inventory.write_text(json.dumps({"all": {"hosts": {"gone": host}}}))
    path = folder / "play.yml"
    path.write_text(json.dumps([{"hosts": "gone", "gather_facts": False, "tasks": list(tasks)}]))
    result = subprocess.run(
        [PLAYBOOK, "--inventory", inventory, path], cwd=ROOT, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
        env={"ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml", "PATH": "/usr/bin:/bin",
             "HOME": str(folder), "ANSIBLE_NOCOLOR": "1", "LANG": "C.UTF-8"},
    )  # fmt: skip
    return result.returncode, result.stdout


def journal_task(path: Path, **options: object) -> dict[str, object]:
    return {"run_journal": {"path": str(path), **options}, "register": "run"}


PING: dict[str, object] = {"ansible.builtin.ping": {}}


def test_a_run_that_lost_its_host_is_ended_and_explained(tmp_path: Path, closed_port: int) -> None:
    path = tmp_path / "journal.jsonl"
    entry = {"action": "deploy", "release": "r-1", "host": "gone"}
    code, output = play(tmp_path, closed_port, journal_task(path, entry=entry), PING)
    assert code == 4
    assert "gone was lost during the deploy of r-1" in output
    assert f"{tmp_path.name}/inventory.yml playbooks/status.yml" in output
    begin, end = map(json.loads, path.read_text().splitlines())
    assert (end["id"], end["event"], end["outcome"]) == (begin["id"], "end", "unreachable")
    assert "127.0.0.1" in end["reason"]


def test_a_run_that_had_ended_is_left_alone(tmp_path: Path, closed_port: int) -> None:
    path = tmp_path / "journal.jsonl"
    begin = journal_task(path, entry={"action": "deploy", "release": "r-1", "host": "gone"})
    end = journal_task(path, id="{{ run.id }}", entry={"outcome": "done"})
    code, output = play(tmp_path, closed_port, begin, end, PING)
    assert code == 4
    assert "gone could not be reached, and what it runs stays as it is" in output
    assert len(path.read_text().splitlines()) == 2


def test_a_host_that_may_be_away_is_not_mentioned(tmp_path: Path, closed_port: int) -> None:
    code, output = play(tmp_path, closed_port, {**PING, "ignore_unreachable": True})
    assert code == 0
    assert "could not be reached, and" not in output
