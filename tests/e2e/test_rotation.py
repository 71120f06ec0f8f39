"""Certificates rotate under load: callers with old copies and with new ones lose no call."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment
from tests.grpc_server.calling import Calls, call_once
from tests.grpc_server.calling import calling as calling_at

PLAYBOOK = "playbooks/rotate_certificates.yml"
CA = ("--extra-vars", "certificates=ca")
END = ("--extra-vars", "certificates=end")
GREETING = "Olá, Leonardo!"
# Up to three callers call for minutes: what each of them does is to open connections now and then.
calling = partial(calling_at, rate=20, fresh_rate=5)
# Before the new CA is there, and before any host trusts it.
WORST_MOMENTS = ("certificates : Take the pair into use", "grpc_server : Stage the certificates")


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Environment:
    environment = new_environment("rotation", release_settings={"SERVER_MAX_CONNECTION_AGE": "2"})
    environment.playbook("playbooks/provision.yml", "playbooks/deploy.yml")
    return environment


@pytest.fixture(scope="module")
def elsewhere(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a caller who has copied the first certificates and gets no others."""
    return copied(environment, tmp_path_factory.mktemp("elsewhere"))


def copied(environment: Environment, folder: Path) -> Path:
    shutil.copytree(environment.state / "certificates", folder / "certificates")
    return Path(shutil.copy(environment.state / "client.toml", folder))


def lost_none(*all_calls: Calls) -> bool:
    assert [calls.lost for calls in all_calls] == [[] for _ in all_calls]
    return all(calls.total > 0 for calls in all_calls)


def kill_at(environment: Environment, stage: str, *arguments: str) -> None:
    """Kill a run and all its processes when it begins a task."""
    process = environment.start("ansible-playbook", *arguments)
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith("TASK [") and stage in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    else:
        pytest.fail(f"no task {stage}: {output[-3000:]}")
    process.communicate(timeout=60)


def on_disk(environment: Environment) -> dict[str, bytes]:
    folder = environment.state / "certificates"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_pairs_rotate_under_load(environment: Environment, elsewhere: Path) -> None:
    before = on_disk(environment)
    with calling(elsewhere) as old:
        environment.playbook(PLAYBOOK)
        with calling(environment.state / "client.toml") as new:
            after = on_disk(environment)
    assert lost_none(old, new)
    assert {name for name in after if after[name] != before[name]} == {
        "server.key", "server.crt", "client.key", "client.crt",
    }  # fmt: skip


def test_check_mode_announces_a_rotation_and_makes_none(environment: Environment) -> None:
    before = on_disk(environment)
    run = environment.playbook(PLAYBOOK, *CA, "--check", "--diff")
    assert "ca: its rotation was asked for" in run.output
    assert on_disk(environment) == before


def test_a_rotation_of_the_ca_that_was_killed_is_finished_by_the_next_deployment(
    environment: Environment, elsewhere: Path, tmp_path: Path
) -> None:
    here = environment.state / "client.toml"
    with calling(elsewhere) as old, calling(here) as running:
        for stage in WORST_MOMENTS:
            kill_at(environment, stage, PLAYBOOK, *CA)
            assert [call_once(config) for config in (elsewhere, here)] == [GREETING] * 2
        unfinished = on_disk(environment)
        environment.playbook("playbooks/deploy.yml")
        with calling(copied(environment, tmp_path)) as new:
            finished = on_disk(environment)
    assert lost_none(old, running, new)
    assert finished["client.crt"] != unfinished["client.crt"]
    assert finished["server.crt"] == unfinished["server.crt"]
    assert finished["ca.crt"].count(b"BEGIN CERTIFICATE") == 2


def test_the_end_of_the_overlap_is_noticed_by_old_copies_alone(
    environment: Environment, elsewhere: Path
) -> None:
    here = environment.state / "client.toml"
    with calling(here) as calls:
        environment.playbook(PLAYBOOK, *END)
        assert call_once(here) == GREETING
    assert lost_none(calls)
    assert "UNAVAILABLE" in call_once(elsewhere)
    assert on_disk(environment)["ca.crt"].count(b"BEGIN CERTIFICATE") == 1
    assert set(environment.playbook("playbooks/deploy.yml").changed.values()) == {0}
