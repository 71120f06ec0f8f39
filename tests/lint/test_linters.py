"""Every linter and type checker passes over the whole repository."""

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
        "localcloud",
        "plugins",
        "roles",
        "tests",
    ],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--strict", "--nocolor"],
    "cfn-lint": ["cfn-lint", "cloudformation/*.yaml"],
    "buf": ["buf", "lint", "proto"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_linter_finds_nothing(name: str) -> None:
    """The linter exits 0 without a warning; its report is the failure's message."""
    program, *arguments = LINTERS[name]
    result = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
