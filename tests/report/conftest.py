"""A deployment to show."""

from pathlib import Path

import pytest

from tests.report.sample import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "deploy")
