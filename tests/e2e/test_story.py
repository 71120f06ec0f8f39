"""One deployment's life: check, create, repeat, change, break, tear down. The order matters."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import Environment

# Connections move to the new release within this many seconds.
AGE = {"SERVER_MAX_CONNECTION_AGE": "2"}
LOAD = ("--rate=25", "--concurrency=4")
# On the host, from the switch's start to the other release answering; 1 s where nothing else runs.
BUSY_ROLLBACK_SECONDS = 3
REFLECTION = json.dumps({"release_settings": AGE | {"SERVER_REFLECTION": "true"}})


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Environment:
    return new_environment("story", release_settings=AGE)


def test_check_of_a_fresh_environment_changes_nothing(environment: Environment) -> None:
    """--check --diff shows what would be created, and neither AWS nor the disk has more then."""
    run = environment.playbook("site.yml", "--check", "--diff")
    assert "the fixed public address" in run.output
    assert not list(environment.state.rglob("*.key"))
    graph = environment.run("ansible-inventory", "--graph", "grpc_servers")
    assert graph.code == 0, graph.output
    assert "i-" not in graph.output


def test_site_ends_with_the_greeting(environment: Environment) -> None:
    """site.yml from nothing: every host answers, and the verification is kept as JSON."""
    environment.playbook("site.yml")
    verification = json.loads((environment.state / "verification.json").read_text())
    assert verification["passed"] is True
    greeting = environment.run("saudacao-client", "Leonardo")
    assert (greeting.code, greeting.output) == (0, "Olá, Leonardo!\n")


def test_private_files_are_private(environment: Environment) -> None:
    """Nobody else can read the control node's state, and keys are 0600."""
    assert environment.state.stat().st_mode & 0o777 == 0o700
    keys = [*environment.state.rglob("*.key"), environment.state / "ssh_key"]
    assert len(keys) == 4
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_second_run_changes_nothing(environment: Environment) -> None:
    run = environment.playbook("site.yml")
    assert len(run.changed) == 2
    assert set(run.changed.values()) == {0}


def test_check_of_a_deployed_environment_finds_nothing_to_do(environment: Environment) -> None:
    run = environment.playbook("site.yml", "--check", "--diff")
    assert set(run.changed.values()) == {0}


def test_a_check_without_local_state_leaves_the_host_out(environment: Environment) -> None:
    """The host's key is not known then: a check says so, and a real run learns it again."""
    (environment.state / "known_hosts").unlink()
    run = environment.playbook("site.yml", "--check", "--diff")
    assert "is left out of this check" in run.output
    assert not (environment.state / "known_hosts").exists()


def test_no_private_key_is_printed_even_with_vvv(environment: Environment) -> None:
    """Lines of every private key are absent from the most talkative output there is."""
    (environment.state / "certificates/server.key").unlink()
    run = environment.playbook("site.yml", "-vvv")
    for key in [*environment.state.rglob("*.key"), environment.state / "ssh_key"]:
        secret_lines = key.read_text().splitlines()[1:-1]
        assert secret_lines
        assert not [line for line in secret_lines if line in run.output]


def test_a_changed_setting_is_released_without_losing_a_call(environment: Environment) -> None:
    """Clients call all the time while site.yml switches to a release with another setting."""
    before = environment.status()["release"]
    load = ("saudacao-client", "--json", "--duration=600", *LOAD)
    clients = [environment.start(*load), environment.start(*load, "--fresh")]
    environment.playbook("site.yml", "--extra-vars", REFLECTION)
    after = environment.status()["release"]
    assert before != after
    for client in clients:
        client.send_signal(signal.SIGINT)
        report = json.loads(client.communicate(timeout=30)[0])
        assert set(report["releases"]) == {before, after}
        assert (report["failed"], report["wrong"]) == (0, 0)


def test_going_back_is_one_word_and_loses_no_call(environment: Environment) -> None:
    """The switch is the same, and so is its proof; a rollback can be rolled back."""
    active = environment.status()["release"]
    client = environment.start("saudacao-client", "--json", "--duration=600", *LOAD, "--mixed")
    first = environment.playbook("playbooks/rollback.yml")
    back = environment.status()["release"]
    environment.playbook("playbooks/rollback.yml")
    assert environment.status()["release"] == active
    client.send_signal(signal.SIGINT)
    report = json.loads(client.communicate(timeout=30)[0])
    assert set(report["releases"]) == {active, back}
    assert (report["failed"], report["wrong"]) == (0, 0)
    took = re.search(rf"{re.escape(back)} took over, ([0-9.]+) s after the switch", first.output)
    assert took
    assert float(took[1]) < BUSY_ROLLBACK_SECONDS


def test_an_unknown_release_lists_those_that_are_kept(environment: Environment) -> None:
    run = environment.playbook("playbooks/rollback.yml", "-e", "release=9.9.9-none", expect=2)
    assert "release 9.9.9-none is not kept on this host" in run.output
    for release, known in environment.status()["releases"].items():
        assert (
            f"{release} (version {known['version']}, deployed {known['deployed']} by" in run.output
        )


def test_both_journals_tell_who_did_what_and_how_it_ended(environment: Environment) -> None:
    text = (environment.state.parent / "journal.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    here = {line["id"]: line for line in lines if line["event"] == "begin"}
    ended = {line["id"]: line for line in lines if line["event"] == "end"}
    there = json.loads(environment.on_host("/usr/local/sbin/grpc-switch journal"))["runs"]
    actions = ["deploy", "deploy", "deploy", "rollback", "rollback"]
    assert [run["action"] for run in there] == actions
    for run in there:
        assert here[run["id"]]["by"] == run["by"]
        assert ended[run["id"]]["outcome"] == run["outcome"] == "done"
    assert all(run["calls"] > 0 for run in there[-3:])


@pytest.fixture
def stopped_service(environment: Environment) -> Iterator[None]:
    unit = "saudacao@{release}.service".format(**environment.status())
    environment.on_host(f"systemctl stop {unit}")
    yield
    environment.on_host(f"systemctl start {unit}")


@pytest.mark.usefixtures("stopped_service")
def test_verification_fails_when_the_service_is_stopped(environment: Environment) -> None:
    run = environment.playbook("playbooks/verify.yml", expect=2)
    assert "UNAVAILABLE" in run.output


@pytest.fixture
def missing_log(environment: Environment) -> Iterator[None]:
    environment.on_host(
        "systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald"
    )
    yield
    environment.on_host("systemctl start systemd-journald")


@pytest.mark.usefixtures("missing_log")
def test_verification_fails_when_the_log_is_missing(environment: Environment) -> None:
    run = environment.playbook("playbooks/verify.yml", expect=2)
    assert "FAILED  logs: 0 of 200" in run.output


def test_teardown_prints_a_receipt_and_leaves_nothing(environment: Environment) -> None:
    """It works without the control node's state, names each resource, and twice is fine."""
    for path in sorted(environment.state.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    first = environment.playbook("teardown.yml")
    instance = re.search(r"removed .* (i-[0-9a-f]+)", first.output)
    assert instance
    second = environment.playbook("teardown.yml")
    assert set(second.changed.values()) == {0}
    assert instance[1] not in json.loads(environment.cloud.command("status").stdout)["hosts"]


def test_make_help_lists_each_target_on_one_line() -> None:
    lines = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    targets = [line.split()[1] for line in lines if re.match(r"  make [a-z-]+ +[A-Z]", line)]
    assert len(targets) == len(set(targets)) == len(lines)
    assert {"demo", "test", "clean"} <= set(targets)
