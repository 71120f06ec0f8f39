"""Each role's README says what its argument specs say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.parents[1] for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def test_every_role_has_argument_specs() -> None:
    assert sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()) == ROLES


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_readme_is_generated_from_the_argument_specs(role: Path, tmp_path: Path) -> None:
    """Writing it anew changes nothing; `make docs` does so."""
    copy = shutil.copytree(role, tmp_path / role.name)
    subprocess.run(
        [Path(sys.executable).parent / "aar-doc", copy, "markdown"], check=True, capture_output=True
    )
    assert (copy / "README.md").read_text() == (role / "README.md").read_text()
