"""Whatever strikes a host of a fleet, the fleet is at full strength again by itself."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.fleet import FLEET_ROWS, FleetDeployment, FleetRow
from tests.chaos.plugin import FLEET_PROPERTY
from tests.conftest import Cloud
from tests.e2e.environment import Environment

# Connections move on sooner than a person's, so that hosts which leave end sooner.
VARIABLES = {
    "topology": "fleet",
    "release_settings": {"SERVER_MAX_CONNECTION_AGE": "5", "SERVER_MAX_CONNECTION_AGE_GRACE": "5"},
    "stack_draining_seconds": 15,
}


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FleetDeployment]:
    if not (request.config.getoption("--fleet") or request.config.getoption("--chaos")):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/chaos/test_fleet.py")
    cloud: Cloud = request.getfixturevalue("cloud")
    folder = tmp_path_factory.mktemp("fleet")
    # A network beside that of the end-to-end tests' fleet, which may be on the same cloud.
    variables = VARIABLES | {"stack_vpc_cidr": f"{cloud.octets}.96.0/20"}
    environment = Environment.create("chaosfleet", folder, cloud, **variables)
    yield FleetDeployment(environment, folder)
    environment.playbook("teardown.yml")


# An alarm looks at minutes, and a host may take some to start.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.name, marks=() if row.short else pytest.mark.chaos)
        for row in FLEET_ROWS
    ],
)
def test_the_fleet_is_at_full_strength_again_by_itself(
    deployment: FleetDeployment, row: FleetRow, record_property: Callable[[str, object], None]
) -> None:
    outcome = deployment.run(row)
    record_property(FLEET_PROPERTY, json.dumps(outcome.as_json()))
    probes = (outcome.persistent, outcome.fresh)
    kinds = outcome.robust.values()
    assert all(seen.calls for seen in probes)
    assert not any(seen.wrong for seen in probes)
    assert not any(counted.get("wrong") for counted in kinds)
    if not row.loses:
        assert [seen.failed for seen in probes] == [0, 0], [seen.first_failure for seen in probes]
    if row.retried:
        assert not any(counted.get("failed") for counted in kinds), outcome.robust
