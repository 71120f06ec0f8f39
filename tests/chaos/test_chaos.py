"""Whatever strikes a deployment, one proven release serves, and the next deployment succeeds."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.plugin import PROPERTY
from tests.chaos.rows import NEW, ROWS, Row
from tests.chaos.running import Deployment
from tests.conftest import ROOT, Cloud
from tests.e2e.environment import PROOF, Environment

FAULTY = ROOT / "tests/e2e/faulty"
# Short times, so that a row is one of seconds; long enough for a busy machine. A server is slowed
# down by what gives it a clock of its own.
VARIABLES = {
    "release_projects": [str(ROOT / "app"), str(FAULTY)],
    "grpc_server_proof_seconds": 3,
    "grpc_server_confirm_within": 15,
    "grpc_server_lease_seconds": 8,
    "grpc_server_proof_slowdown": 20,
}


@pytest.fixture(scope="module")
def deployment(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("chaos")
    # The short form, part of every test run, leaves out the stack and the verification.
    following, variables = "playbooks/deploy.yml", VARIABLES
    if request.config.getoption("--chaos"):
        following = "site.yml"
        variables = variables | {"grpc_server_proof_command": PROOF}
    environment = Environment.create("chaos", folder, cloud, **variables)
    deployment = Deployment(environment, folder, following)
    yield deployment
    deployment.end()


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name, marks=() if row.worst else pytest.mark.chaos) for row in ROWS],
)
def test_one_proven_release_serves_and_the_next_deployment_succeeds(
    deployment: Deployment, row: Row, record_property: Callable[[str, object], None]
) -> None:
    outcome = deployment.run(row)
    record_property(PROPERTY, json.dumps(outcome.as_json()))
    assert outcome.serves == row.serves
    assert outcome.deploy != 0 or outcome.serves == NEW
    assert (outcome.next, outcome.next_serves) == (0, NEW), outcome.next_said
    assert (outcome.next_changed > 0) == (outcome.serves != NEW), outcome.next_said
    assert outcome.seen.wrong == 0
    if not row.outage:
        assert outcome.seen.failed == 0, outcome.seen
    assert outcome.seen.outage_seconds <= row.outage
