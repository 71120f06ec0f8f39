"""Environments of the end-to-end tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cloud
from tests.e2e.environment import Environment

EnvironmentFactory = Callable[..., Environment]


@pytest.fixture(scope="module")
def new_environment(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> EnvironmentFactory:
    """Return a function that makes an environment on the session's cloud by name."""
    folder: Path = tmp_path_factory.mktemp("environments")

    def create(name: str, **variables: object) -> Environment:
        return Environment.create(name, folder, cloud, **variables)

    return create
