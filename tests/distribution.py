"""How parallel workers share the tests: a file is one worker's, and the longest come first.

A worker that is left alone with a long file at the end would keep everybody waiting.
"""

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

# About how many seconds files took on two cores; all others take less.
SECONDS = {
    "tests/grpc_server/on_host": 320,
    "tests/e2e/test_molecule.py": 280,
    "tests/chaos/test_chaos.py": 250,
    "tests/e2e/test_bad_releases.py": 240,
    "tests/e2e/test_story.py": 220,
    "tests/e2e/test_lock.py": 190,
    "tests/e2e/test_rotation.py": 150,
    "tests/e2e/test_interrupted.py": 150,
    "tests/e2e/test_hooks.py": 140,
    "tests/e2e/test_newcomer.py": 135,
    "tests/e2e/test_knowing.py": 120,
    "tests/stack/test_provision.py": 90,
    "tests/lint/test_linters.py": 80,
}
# Files of end-to-end tests that are newer than the list.
UNKNOWN = {"tests/e2e/": 150}
# Files whose tests use the same host, which boots once for one worker.
ONE_HOST = re.compile(r"tests/grpc_server/test_(?:\w+_on_host|role)\.py")


def unit(test: str) -> str:
    """Return what a test is handed out with: its file, or the files that share its host."""
    file = test.partition("::")[0]
    return "tests/grpc_server/on_host" if ONE_HOST.fullmatch(file) else file


def seconds(test: str) -> int:
    """Return about how long what a test is handed out with takes; 0 when that is not long."""
    name = unit(test)
    return SECONDS.get(name, max((UNKNOWN[p] for p in UNKNOWN if name.startswith(p)), default=0))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest first, in a worker; who runs tests alone finds them in the files' order."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -seconds(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadFileScheduling | None":
    """Hand out units in the order of the collection, not in that of their number of tests."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = unit
    return scheduler
