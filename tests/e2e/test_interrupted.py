"""site.yml that is interrupted anywhere is finished by running it again."""

import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment

DEPLOY = "playbooks/deploy.yml"
# In the order of a first run: each is interrupted by the run that gets there first. Where the stack
# is made already, the part of site.yml that follows it does.
STAGES = {
    "Create or update the stack": ("site.yml", signal.SIGINT),
    "certificates : Sign the certificate": ("site.yml", signal.SIGINT),
    "Build the release": (DEPLOY, signal.SIGKILL),
    "Install the packages": (DEPLOY, signal.SIGINT),
    "Install the release from its archive": (DEPLOY, signal.SIGKILL),
    "Send new connections to the release": (DEPLOY, signal.SIGINT),
}


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Environment:
    return new_environment("interrupted")


def interrupt(environment: Environment, stage: str, playbook: str, number: signal.Signals) -> str:
    """Run a playbook and signal its whole process group when it begins the task `stage`."""
    process = environment.start("ansible-playbook", playbook)
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith("TASK [") and stage in line:
            os.killpg(process.pid, number)
            break
    await_end(process, number)
    return output


def await_end(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Wait for the end, and press Ctrl-C again, as a person does when nothing happens."""
    for _ in range(6):
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, number)
        else:
            return
    raise AssertionError("the playbook did not end after being interrupted six times")


def test_a_run_after_interruptions_succeeds(environment: Environment) -> None:
    """Ctrl-C and kill -9 at the stack, the release and the switch; then one run to the end."""
    for stage, how in STAGES.items():
        output = interrupt(environment, stage, *how)
        assert stage in output, output[-3000:]
    environment.playbook("site.yml")
    assert environment.run("saudacao-client", "Rui").output == "Olá, Rui!\n"
    assert set(environment.playbook("site.yml").changed.values()) == {0}


def test_an_interrupted_teardown_is_finished_by_the_next(environment: Environment) -> None:
    process = environment.start("ansible-playbook", "teardown.yml")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("TASK [Remove the stack"):
            os.killpg(process.pid, signal.SIGINT)
            break
    await_end(process, signal.SIGINT)
    environment.playbook("teardown.yml")
    graph = environment.run("ansible-inventory", "--graph")
    assert graph.code == 0, graph.output
    assert "i-" not in graph.output
