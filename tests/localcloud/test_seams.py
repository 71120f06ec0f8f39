"""The list of everything that is used of the emulator's inside."""

from importlib import import_module
from types import ModuleType

import pytest

from localcloud import seams
from localcloud.errors import LocalCloudError


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.setenv("IOT_MTLS_ENABLED", "0")
    return {name: import_module(name) for name in seams.NAMES}


def test_the_installed_emulator_has_every_name(modules: dict[str, ModuleType]) -> None:
    seams.check(modules)


def test_an_emulator_that_lacks_names_is_an_error_naming_each(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(modules["ministack.services.ec2"], "_instances")
    monkeypatch.delattr(
        modules["ministack.services.cloudformation.stacks"], "_runs_on_worker_thread"
    )
    with pytest.raises(LocalCloudError) as caught:
        seams.check(modules)
    assert "ministack.services.ec2._instances" in str(caught.value)
    assert "ministack.services.cloudformation.stacks._runs_on_worker_thread" in str(caught.value)
    assert f"pip install ministack=={seams.VERSION}" in str(caught.value)
