"""Two runs never change a host at the same time, and one that died blocks nobody for long."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment

LEASE_SECONDS = 10
CONFIRM_WITHIN = 15
LOCK = re.compile(
    r"\S+ on \S+ holds the lock since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\s+for: deploy\."
    r"\s+It lapses in\s+(\d+)\s+s"
)
SETTINGS = {"SERVER_MAX_CONNECTION_AGE": "2"}
VARIABLES = {
    "release_settings": SETTINGS,
    "grpc_server_lease_seconds": LEASE_SECONDS,
    "grpc_server_proof_seconds": 2,
}
PROGRAM = "/usr/local/sbin/grpc-switch"
IN_THE_HOOK = "TASK [grpc_server : Run the hook before the change]"
IN_THE_PROOF = "TASK [grpc_server : Let the release be called]"
# A task file that holds a run until a file is there.
WAITING = """\
- name: Wait for the test
  ansible.builtin.wait_for:
    path: {path}
    timeout: 90
  delegate_to: localhost
  become: false
"""

Kill = Callable[[int, int], None]


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Iterator[Environment]:
    """A deployed host whose lock lapses soon."""
    environment = new_environment("lock", **VARIABLES)
    environment.playbook("playbooks/provision.yml", "playbooks/deploy.yml")
    yield environment
    environment.playbook("teardown.yml")


@pytest.fixture
def hook(tmp_path: Path) -> "Hook":
    """A hook that holds a run until the test lets it go."""
    return Hook(tmp_path)


class Hook:
    """A task file that waits for a file."""

    def __init__(self, folder: Path) -> None:
        self._gate = folder / "gate"
        self.path = folder / "hook.yml"
        self.path.write_text(WAITING.format(path=self._gate))

    def open(self) -> None:
        """Let the run go on."""
        self._gate.touch()


def change(queue: int, **variables: object) -> tuple[str, str, str]:
    """The command line of a run that has something to change: another setting."""
    settings = SETTINGS | {"SERVER_MAX_QUEUE": str(queue)}
    variables["release_settings"] = settings
    return "playbooks/deploy.yml", "--extra-vars", json.dumps(variables)


def start_until(environment: Environment, task: str, *run: str) -> "subprocess.Popen[str]":
    """Start a run, and return when it begins a task."""
    process = environment.start("ansible-playbook", *run)
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith(task):
            return process
    raise AssertionError(f"{task} was not reached:\n{output[-4000:]}")


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition on the host."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.5)


def test_the_second_of_two_runs_is_told_who_holds_the_lock(
    environment: Environment, hook: Hook
) -> None:
    """The first one lives longer than its lease, so it has renewed it; then it ends well."""
    first = start_until(environment, IN_THE_HOOK, *change(100, hook_before_deploy=str(hook.path)))
    try:
        taken = environment.status()["lease"]
        until(lambda: time.time() > taken["since"] + LEASE_SECONDS, "the lease is over", 60)
        refused = environment.playbook(*change(101), expect=2).output
        told = LOCK.search(refused)
        assert told, refused
        assert 0 < int(told[1]) <= LEASE_SECONDS
        assert "Nothing was changed" in refused
        assert environment.status()["lease"]["id"] == taken["id"]
    finally:
        hook.open()
        output, _ = first.communicate(timeout=120)
    assert first.returncode == 0, output
    status, runs = environment.look()
    mine = runs[-1]
    assert status["lease"] is None
    assert (mine["id"], mine["outcome"]) == (taken["id"], "done")
    assert status["release"] == mine["release"]


KILLS: dict[str, Kill] = {"its process": os.kill, "its process group": os.killpg}
INTENT = json.dumps({"action": "deploy", "by": "somebody", "from": "elsewhere"})
# As a run of Ansible begins, and quicker: the lease is short.
BEGIN = f"{PROGRAM} begin another --seconds 0.1 --json '{INTENT}' </dev/null"


@pytest.mark.parametrize("what", KILLS)
def test_a_killed_run_gives_the_lock_back(environment: Environment, hook: Hook, what: str) -> None:
    """Its connection ends with it, which the host notices; the journal tells no outcome."""
    killed = start_until(environment, IN_THE_HOOK, *change(102, hook_before_deploy=str(hook.path)))
    KILLS[what](killed.pid, signal.SIGKILL)
    struck = time.time()
    until(lambda: environment.status()["lease"] is None, "it is given back", LEASE_SECONDS + 15)
    hook.open()
    killed.communicate(timeout=60)
    # Renewed every quarter of its length, it would have run on for three more.
    ended = json.loads(environment.on_host("cat /var/lib/saudacao/lease.json"))["until"]
    assert ended < struck + LEASE_SECONDS / 2
    assert environment.look()[1][-1]["outcome"] is None


def test_a_run_that_is_cut_off_blocks_the_next_until_its_lease_lapses(
    environment: Environment, hook: Hook
) -> None:
    """Its connection stands still, as behind a cut network: the host hears nothing of its end."""
    cut_off = start_until(environment, IN_THE_HOOK, *change(102, hook_before_deploy=str(hook.path)))
    (file,) = environment.state.glob(f"companions/*/lease-{cut_off.pid}/pid")
    holder = int(file.read_text())
    ssh = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    stopped = [holder, *map(int, ssh)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        os.killpg(cut_off.pid, signal.SIGKILL)
        cut_off.communicate(timeout=60)
        refused = environment.shell(BEGIN)
        assert LOCK.search(refused.output), refused.output
        until(lambda: environment.status()["lease"] is None, "it has lapsed", LEASE_SECONDS + 15)
        assert environment.shell(BEGIN).code == 0
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_run_killed_before_it_confirmed_is_undone_by_the_host(environment: Environment) -> None:
    """A caller notices nothing, and the next deployment begins from a clean state."""
    before = environment.status()["release"]
    with environment.calling() as seen:
        run = change(103, grpc_server_confirm_within=CONFIRM_WITHIN)
        killed = start_until(environment, IN_THE_PROOF, *run)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=60)
        at_risk = environment.status()
        until(lambda: not environment.status()["provisional"], "it went back", CONFIRM_WITHIN + 15)
    assert at_risk["provisional"] is True
    assert (seen["failed"], seen["wrong"]) == (0, 0)
    assert set(seen["releases"]) == {before, at_risk["release"]}
    status, runs = environment.look()
    undone = runs[-1]
    assert status["release"] == before
    assert undone["outcome"] == "undone"
    assert f"{at_risk['release']} was not confirmed in time" in undone["reason"]

    environment.playbook(*change(103))
    status = environment.status()
    assert (status["release"], status["settled"]) == (at_risk["release"], True)
