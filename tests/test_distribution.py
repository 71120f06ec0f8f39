"""How parallel workers share the tests."""

import pytest

from tests.conftest import ROOT
from tests.distribution import SECONDS, seconds, unit


def test_the_files_that_are_known_to_be_long_are_there() -> None:
    missing = [name for name in SECONDS if name.endswith(".py") and not (ROOT / name).is_file()]
    assert missing == []


def test_tests_that_share_a_host_share_a_worker() -> None:
    files = sorted((ROOT / "tests/grpc_server").glob("test_*_on_host.py"))
    assert len({unit(f"{file.relative_to(ROOT)}::test_it") for file in files}) == 1
    assert unit("tests/grpc_server/test_role.py::test_it[0]") == "tests/grpc_server/on_host"
    assert unit("tests/app/test_calls.py::test_it[a::b]") == "tests/app/test_calls.py"


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [
        ("tests/grpc_server/test_role.py::a", "tests/e2e/test_molecule.py::b"),
        ("tests/e2e/test_molecule.py::a", "tests/e2e/test_story.py::b"),
        ("tests/e2e/test_something_new.py::a", "tests/e2e/test_newcomer.py::b"),
        ("tests/lint/test_linters.py::a", "tests/app/test_calls.py::b"),
    ],
)
def test_what_takes_longer_comes_first(longer: str, shorter: str) -> None:
    assert seconds(longer) > seconds(shorter)
