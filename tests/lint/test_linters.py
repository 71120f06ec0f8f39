"""Every linter and type checker passes over the whole repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTERS = {
    "ruff": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "."],
    "mypy": [
        "mypy",
        "app/src",
        "app/hatch_build.py",
        "bench",
        "docs",
        "localcloud",
        "plugins",
        "roles",
        "tests",
    ],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--strict", "--nocolor"],
    "cfn-lint": ["cfn-lint", "cloudformation/*.yaml", "tests/localcloud/*.yaml"],
    "buf": ["buf", "lint", "proto"],
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Let ansible-lint's syntax checks ask no cloud for an inventory.

    The default one has to be reached: without it each check waits ten seconds for an answer, and
    ansible-lint leaves out what a playbook imports.
    """
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": {}}}}))
    enabled = {"ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml"}
    return {**os.environ, "ANSIBLE_INVENTORY": str(inventory), **enabled}


@pytest.mark.parametrize("name", LINTERS)
def test_linter_finds_nothing(name: str, environment: dict[str, str]) -> None:
    """The linter exits 0 without a warning or an error beside its report, which a failure shows."""
    program, *arguments = LINTERS[name]
    result = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ERROR" not in result.stderr, result.stderr
