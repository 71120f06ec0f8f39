"""The role `release`: what is in a release, and when a new one is built."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.release.conftest import Machine, content, description
from tests.release.distributions import make_wheel


def wheels(archive: Path) -> set[str]:
    return {Path(name).name for name in content(archive) if name.startswith("wheels/")}


def every_file(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_release_has_the_wheels_of_its_platform_and_pips_own(built: Machine) -> None:
    assert wheels(built.archives()[0]) == {
        "compiled-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "pip-99.0-py3-none-any.whl",
        "pure-2.5-py3-none-any.whl",
        "trial-1.2.3-py3-none-any.whl",
    }


def test_every_wheel_but_pips_is_pinned_by_its_own_hash(built: Machine) -> None:
    files = content(built.archives()[0])
    lines = files["requirements.txt"].decode().splitlines()
    digests = {line.rpartition(":")[2] for line in lines}
    assert [line.partition(" ")[0] for line in lines] == [
        "compiled==1.0",
        "pure==2.5",
        "trial==1.2.3",
    ]
    assert digests == {
        hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name.startswith("wheels/") and "pip-" not in name
    }


def test_a_release_says_what_it_is(built: Machine) -> None:
    archive = built.archives()[0]
    assert description(archive) == {
        "id": archive.stem,
        "distribution": "trial",
        "version": "1.2.3",
        "python": "3.11",
        "platform": "x86_64",
        "settings": {},
    }
    assert next(iter(content(archive))) == "release.json"


def test_nothing_in_the_archive_depends_on_who_built_it_and_when(built: Machine) -> None:
    with tarfile.open(built.archives()[0]) as tar:
        entries = tar.getmembers()
    assert {(e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {(0, 0, "", "", 0o644)}
    assert len({entry.mtime for entry in entries}) == 1
    assert [e.name for e in entries[1:]] == sorted(e.name for e in entries[1:])


def test_another_machine_builds_the_same_bytes(built: Machine, tmp_path: Path) -> None:
    """Another folder, other times, modes, umask, time zone, user and leftovers."""
    other = Machine.make(tmp_path / "elsewhere")
    for path in other.project.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    (other.project / "src/trial/__pycache__/more.pyc").write_text("leftover")
    strange = {"TZ": "Asia/Tokyo", "HOME": str(tmp_path), "USER": "somebody", "LANG": "POSIX"}
    mask = os.umask(0o077)
    try:
        other.run(environment=strange)
    finally:
        os.umask(mask)
    assert [path.name for path in other.archives()] == [path.name for path in built.archives()]
    assert other.archives()[0].read_bytes() == built.archives()[0].read_bytes()


def test_a_build_leaves_the_source_as_it_was(machine: Machine) -> None:
    before = every_file(machine.project)
    machine.run(settings={"SERVER_REFLECTION": True})
    assert len(machine.archives()) == 2
    assert every_file(machine.project) == before


def test_a_second_run_builds_nothing_and_needs_no_index(machine: Machine) -> None:
    before = every_file(machine.releases)
    shutil.rmtree(machine.index)
    assert "changed=0" in machine.run()
    assert every_file(machine.releases) == before


def test_an_unchanged_lock_needs_no_index(machine: Machine) -> None:
    """Each wheel is fetched once: a new build takes it from the cache."""
    shutil.rmtree(machine.index)
    (machine.project / "src/trial/__init__.py").write_text("def main(): pass\n")
    machine.run()
    assert len(machine.archives()) == 2


def test_a_setting_makes_a_release_and_going_back_finds_the_old_one(machine: Machine) -> None:
    first = machine.archives()[0]
    machine.run(settings={"SERVER_MAX_WORKERS": 8})
    second = machine.archives()[0]
    assert content(second)["settings.env"] == b'SERVER_MAX_WORKERS="8"\n'
    assert first != second
    output = machine.run()
    assert "changed=0" in output


def test_another_setting_alone_builds_no_wheel_again(machine: Machine) -> None:
    """What was built from a file is not looked for when the file is another."""
    kept = next((machine.folder / "cache/built").glob("*/*/*.whl"))
    kept.rename(kept.with_name("trial-9.9.9-py3-none-any.whl"))
    machine.run(settings={"SERVER_MAX_WORKERS": 8})
    assert "trial-9.9.9-py3-none-any.whl" in wheels(machine.archives()[0])
    (machine.project / "src/trial/__init__.py").write_text("def main(): pass\n")
    machine.run(settings={"SERVER_MAX_WORKERS": 8})
    assert "trial-1.2.3-py3-none-any.whl" in wheels(machine.archives()[0])


def test_the_release_is_a_fact_of_localhost(built: Machine) -> None:
    output = built.run("-v")
    assert f"id: {built.archives()[0].stem}" in output
    assert f"archive: {built.archives()[0]}" in output


def test_check_mode_shows_a_new_release_and_writes_nothing(fresh: Machine) -> None:
    before = every_file(fresh.folder)
    output = fresh.run("--check", "--diff", settings={"SERVER_MAX_WORKERS": 8})
    after = every_file(fresh.folder)
    assert "changed=1" in output
    assert '+SERVER_MAX_WORKERS="8"' in output
    assert "+pure==2.5" in output
    assert after.keys() - before.keys() == {"release.yml", "inventory.yml"}


def test_check_mode_names_the_release_when_the_wheels_are_here(machine: Machine) -> None:
    output = machine.run("--check", "-v", settings={"SERVER_MAX_WORKERS": 8})
    machine.run(settings={"SERVER_MAX_WORKERS": 8})
    assert f"id: {machine.archives()[0].stem}" in output


def test_check_mode_of_what_is_built_finds_nothing_to_do(built: Machine) -> None:
    assert "changed=0" in built.run("--check", "--diff")


def test_a_damaged_archive_is_built_again(machine: Machine) -> None:
    archive = machine.archives()[0]
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1])
    machine.run()
    assert archive.read_bytes() == whole


def test_old_archives_go_with_their_records(machine: Machine) -> None:
    for workers in (1, 2):
        machine.run(settings={"SERVER_MAX_WORKERS": workers}, keep=2)
    settings = [description(archive)["settings"] for archive in machine.archives()]
    assert [values["SERVER_MAX_WORKERS"] for values in settings] == ["2", "1"]
    assert len(list(machine.releases.iterdir())) == 4


def test_what_an_interrupted_run_left_is_removed(machine: Machine) -> None:
    (machine.releases / "1.2.3-0123456789ab.tar.partial").write_bytes(b"half")
    machine.run(settings={"SERVER_MAX_WORKERS": 8})
    assert {path.suffix for path in machine.releases.iterdir()} == {".tar", ".json"}
    assert {path.stat().st_mode & 0o777 for path in machine.archives()} == {0o600}


def test_arm_hosts_get_wheels_for_arm(machine: Machine) -> None:
    machine.run(architecture="arm64")
    archive = machine.archives()[0]
    assert description(archive)["platform"] == "aarch64"
    assert {name.count("aarch64") for name in wheels(archive) if "compiled" in name} == {2}


@pytest.fixture
def unpacked(built: Machine, tmp_path: Path) -> Path:
    shutil.unpack_archive(built.archives()[0], tmp_path)
    return tmp_path


def install(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Install a release as a host does: without an index, every hash required."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--require-hashes",
        "--find-links",
    ]
    command += ["wheels", "--requirement", "requirements.txt", "--target", "installed"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_release_installs_and_runs(unpacked: Path) -> None:
    assert install(unpacked).returncode == 0
    command = [sys.executable, "-c", "import trial; trial.main()"]
    environment = {"PYTHONPATH": str(unpacked / "installed")}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "manylinux" in output.stdout


def test_a_wheel_that_was_tampered_with_is_not_installed(unpacked: Path) -> None:
    make_wheel(unpacked / "wheels", "pure", "2.5", "py3-none-any")
    with (unpacked / "wheels/pure-2.5-py3-none-any.whl").open("ab") as wheel:
        wheel.write(b"evil")
    result = install(unpacked)
    assert result.returncode != 0
    assert "DO NOT MATCH" in result.stderr
