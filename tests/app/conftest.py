"""Fixtures of the service's tests: authorities, servers, processes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.app.pki import Authority
from tests.app.running import Running, ServerProcess, serve

Serve = Callable[..., Running]
Spawn = Callable[..., ServerProcess]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Serve]:
    """Start servers in this process; they stop with the test."""
    with ExitStack() as stack:

        def start(*arguments: Any, **settings: Any) -> Running:
            return stack.enter_context(serve(tmp_path, *arguments, **settings))

        yield start


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Start server processes; what is left of them ends with the test."""
    with ExitStack() as stack:

        def spawn(*wrapper: str, **settings: object) -> ServerProcess:
            process = ServerProcess(tmp_path, *wrapper, **settings)
            stack.callback(process.end)
            return process

        yield spawn
