"""What differs on a host from what was deployed: files, packages, units, a release's own files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from grpc_switch import baseline
from grpc_switch.config import Config

VERSIONS = {"nftables": "1.0", "python3.11": "3.11.2"}
RELEASE = "1.0-abc"
Change = Callable[[Path], object]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    config = Config(
        "saudacao", 50051, (50061, 50069), "python3.11", "check", "name", root=tmp_path
    )  # fmt: skip
    units = tmp_path / "etc/systemd/system"
    _write(units / "saudacao@.service")
    _write(units / "saudacao-guard.service")
    _write(tmp_path / "etc/grpc-switch.json")
    _write(tmp_path / "usr/local/lib/grpc-switch/grpc_switch/logs.py")
    (tmp_path / "etc/systemd/system/nftables.service").symlink_to("/dev/null")
    folder = config.folder(RELEASE)
    _write(folder / "venv/lib/module.py")
    (folder / "venv/python").symlink_to("/usr/bin/python3.11")
    baseline.write_manifest(folder, "{}")
    _write(folder / "release.json", "{}")
    monkeypatch.setattr(baseline, "packages", lambda: dict(VERSIONS))
    assert baseline.record(config)["changed"] is True
    return config


def _write(path: Path, text: str = "as deployed") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def test_what_was_recorded_does_not_differ_and_is_recorded_once(host: Config) -> None:
    assert baseline.drift(host, RELEASE) == {
        "recorded": True, "manifest": True, "edited": [], "files": {}, "packages": {}
    }  # fmt: skip
    assert baseline.record(host)["changed"] is False


CHANGES: dict[str, tuple[Change, str, str]] = {
    "an edited unit": (
        lambda root: _write(root / "etc/systemd/system/saudacao@.service", "x"),
        "etc/systemd/system/saudacao@.service",
        "edited",
    ),
    "a removed unit": (
        lambda root: (root / "etc/systemd/system/saudacao-guard.service").unlink(),
        "etc/systemd/system/saudacao-guard.service",
        "removed",
    ),
    "an unmasked nftables.service": (
        lambda root: (root / "etc/systemd/system/nftables.service").unlink(),
        "etc/systemd/system/nftables.service",
        "removed",
    ),
    "another mode": (
        lambda root: (root / "etc/grpc-switch.json").chmod(0o666),
        "etc/grpc-switch.json",
        "edited",
    ),
    "an edited program": (
        lambda root: _write(root / "usr/local/lib/grpc-switch/grpc_switch/logs.py", "x"),
        "usr/local/lib/grpc-switch/grpc_switch/logs.py",
        "edited",
    ),
    "a module more": (
        lambda root: _write(root / "usr/local/lib/grpc-switch/grpc_switch/more.py"),
        "usr/local/lib/grpc-switch/grpc_switch/more.py",
        "added",
    ),
    "a drop-in": (
        lambda root: _write(root / "etc/systemd/system/saudacao@.service.d/more.conf"),
        "etc/systemd/system/saudacao@.service.d/more.conf",
        "changes a unit",
    ),
    "a property set by systemctl": (
        lambda root: _write(root / "etc/systemd/system.control/saudacao@a.service.d/50.conf"),
        "etc/systemd/system.control/saudacao@a.service.d/50.conf",
        "changes a unit",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_differs_is_named_with_how(host: Config, name: str) -> None:
    change, path, how = CHANGES[name]
    change(host.root)
    assert baseline.drift(host, RELEASE)["files"] == {str(host.root / path): how}


def test_a_unit_masked_until_the_next_boot_is_named(host: Config) -> None:
    mask = host.root / "run/systemd/system/saudacao-guard.service"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    assert baseline.drift(host, RELEASE)["files"] == {str(mask): "masks a unit"}


def test_what_would_be_recorded_anew_is_told_without_recording_it(host: Config) -> None:
    assert baseline.is_recorded(host)
    _write(host.root / "etc/systemd/system/saudacao@.service", "x")
    assert not baseline.is_recorded(host)
    assert baseline.drift(host, RELEASE)["files"]


def test_a_drop_in_is_never_taken_for_deployed(host: Config) -> None:
    _write(host.root / "etc/systemd/system/saudacao@.service.d/more.conf")
    baseline.record(host)
    assert len(baseline.drift(host, RELEASE)["files"]) == 1


def test_another_version_of_a_package_is_named(
    host: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "packages", lambda: VERSIONS | {"nftables": "1.1"})
    assert baseline.drift(host, RELEASE)["packages"] == {"nftables": "1.0 became 1.1"}
    assert baseline.record(host)["changed"] is True
    assert baseline.drift(host, RELEASE)["packages"] == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: _write(f / "venv/lib/module.py", "x"), "venv/lib/module.py: edited"),
        (lambda f: (f / "venv/lib/module.py").unlink(), "venv/lib/module.py: removed"),
        (lambda f: _write(f / "venv/lib/more.py"), "venv/lib/more.py: added"),
        (lambda f: _write(f / "release.json", "[]"), "release.json: edited"),
        (
            lambda f: (
                (f / "venv/python").unlink()
                or (f / "venv/python").symlink_to("/usr/bin/python3.12")
            ),
            "venv/python: -> /usr/bin/python3.11 became -> /usr/bin/python3.12",
        ),
    ],
)
def test_a_release_of_which_a_file_differs_is_found(
    host: Config, change: Change, said: str
) -> None:
    folder = host.folder(RELEASE)
    change(folder)
    assert baseline.drift(host, RELEASE)["edited"] == [f"{folder}/{said}"]


def test_without_records_nothing_is_claimed(host: Config) -> None:
    (host.state / "deployed.json").unlink()
    (host.folder(RELEASE) / baseline.MANIFEST).unlink()
    found = baseline.drift(host, RELEASE)
    assert (found["recorded"], found["manifest"], found["edited"]) == (False, False, [])


def test_packages_of_this_machine_have_versions() -> None:
    assert baseline.packages()["python3.11"][:4] in {"3.11", "not "}
