"""`molecule test`, exactly as typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import AS_TYPED, ROOT, reserved

SCENARIOS = {
    "default": ("syntax", "create", "converge", "idempotence", "verify", "destroy"),
    "upgrade": ("create", "converge", "side_effect", "verify", "destroy"),
    "fleet": ("create", "converge", "idempotence", "side_effect", "verify", "destroy"),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_action_of_a_scenario_succeeds(scenario: str, request: pytest.FixtureRequest) -> None:
    """The real playbooks, from an empty cloud of the scenarios' own to its end."""
    if scenario == "fleet" and not request.config.getoption("--fleet"):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/e2e/test_molecule.py")
    binaries = Path(sys.executable).parent
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LOCALCLOUD_")}
    with reserved("molecule"):
        result = subprocess.run(
            [*AS_TYPED, binaries / "molecule", "test", "--scenario-name", scenario],
            cwd=ROOT,
            env=clean | {"PATH": f"{binaries}:{os.environ['PATH']}", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    assert result.returncode == 0, plain[-8000:]
    for action in SCENARIOS[scenario]:
        assert f"{action}: Executed: Successful" in plain
