"""Bad releases, each deployed to a host under load by the real playbook: the old one serves on."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.environment import PROOF, Environment, Run

FAULTY = ROOT / "tests/e2e/faulty"
# Connections move within two seconds, and a server that hangs is killed after three.
SETTINGS = {"SERVER_MAX_CONNECTION_AGE": "2", "SERVER_STOP_GRACE": "1"}
VARIABLES = {
    "release_settings": SETTINGS,
    "grpc_server_proof_command": PROOF,
    "grpc_server_proof_seconds": 5,
    "grpc_server_stop_timeout": 3,
}
LEAK_LIMIT = "80M"


@dataclass
class Case:
    """A fault, and what a deployment says of it.

    `seen_at_most` is how many bad answers a caller may see; None when it never reaches the release.
    """

    service: str
    says: tuple[str, ...]
    seen_at_most: int | None = None
    variables: dict[str, Any] = field(default_factory=dict)


CASES = {
    "does not start": Case("exits", ("did not start", "the database of greetings is missing")),
    "is never ready": Case(
        "never-ready", ("did not start", "timeout"), variables={"grpc_server_start_timeout": 4}
    ),
    "exits after five seconds": Case("crashes", ("UNAVAILABLE",), seen_at_most=150),
    "answers wrong": Case("wrong", ("which is not its greeting",), seen_at_most=150),
    # Other callers may get the bad call: there is time for more of them. The first one ends it.
    "fails one call in 200": Case(
        "rare",
        ("INTERNAL", "request id"),
        seen_at_most=10,
        variables={"grpc_server_proof_seconds": 25},
    ),
    "is ten times slower": Case(
        "slow",
        ("times as much",),
        # It takes calls, and is ended with those that it is at.
        seen_at_most=10,
        variables={"grpc_server_proof_slowdown": 5},
    ),
    "leaks memory": Case(
        "leaks",
        ("UNAVAILABLE",),
        seen_at_most=150,
        variables={"grpc_server_memory_max": LEAK_LIMIT},
    ),
}


@pytest.fixture(scope="module")
def environment(new_environment: EnvironmentFactory) -> Iterator[Environment]:
    """A deployed host, with short times."""
    environment = new_environment("bad", **VARIABLES)
    environment.playbook("playbooks/provision.yml", "playbooks/deploy.yml")
    yield environment
    environment.playbook("teardown.yml")


@pytest.fixture(scope="module")
def before(environment: Environment) -> dict[str, Any]:
    """What the host says of itself while the old release serves alone."""
    return environment.status()


@pytest.fixture(scope="module")
def limits_memory(environment: Environment) -> bool:
    """Whether systemd on the host can limit a unit's memory: try it."""
    told = environment.on_host(
        "systemd-run --quiet --wait --collect --property=MemoryMax=32M --property=MemorySwapMax=0"
        " python3 -c 'bytearray(256 * 2**20)'; echo ended with $?"
    )
    return "ended with 0" not in told


def deploy(environment: Environment, case: Case) -> Run:
    """Deploy the bad release as its author does: a project of its own, and a setting."""
    variables = {
        "release_projects": [str(ROOT / "app"), str(FAULTY)],
        "release_settings": {**SETTINGS, "SERVER_SERVICE": case.service},
        **case.variables,
    }
    return environment.playbook(
        "playbooks/deploy.yml", "--extra-vars", json.dumps(variables), expect=2
    )


@pytest.mark.parametrize("fault", CASES)
def test_a_bad_release_is_refused_or_undone(
    environment: Environment, before: dict[str, Any], limits_memory: bool, fault: str
) -> None:
    case = CASES[fault]
    if case.service == "leaks" and not limits_memory:
        pytest.skip("the hosts' cgroups have no memory controller here: no limit is enforced")
    with environment.calling() as seen:
        output = deploy(environment, case).output
    problems = seen["failed"] + seen["wrong"]
    sys.stdout.write(f"{fault}: a client saw {problems} bad answers in {seen['calls']} calls\n")
    after, runs = environment.look()
    run = runs[-1]

    bad, message = run["release"], the_message(output)
    for words in (*case.says, f"What runs there now: {before['release']}", f"saudacao@{bad}"):
        assert words in message, message
    assert re.search(r"To look further: ansible-playbook -i \S+ playbooks/status.yml", message)

    assert (run["action"], run["outcome"]) == ("deploy", "failed")
    assert case.says[0] in run["reason"]

    assert after["release"] == before["release"]
    assert after["settled"] is True
    assert after["lease"] is None
    assert unit(after, before["release"]) == unit(before, before["release"])
    assert after["releases"][bad]["state"] in {"inactive", "failed"}

    assert problems <= (case.seen_at_most or 0)
    assert (bad in seen["releases"]) == (case.seen_at_most is not None)
    greeting = environment.run("saudacao-client", "Ana")
    assert greeting.output == "Olá, Ana!\n"


def the_message(output: str) -> str:
    """The last error that a person reads."""
    return output.rpartition("[ERROR]")[2]


def unit(status: dict[str, Any], release: str) -> tuple[str, int]:
    """Since when a release runs, and how often it was started again."""
    found = status["releases"][release]
    return found["since"], found["restarts"]
