"""What cannot be released, and how that is said."""

import shutil
import subprocess

import pytest

from roles.release.module_utils.release import ReleaseError, settings
from tests.release.conftest import Machine
from tests.release.distributions import lock_lines, make_wheel

HOSTILE: dict[str, object] = {
    "PATH": "/srv/evil",
    "SERVER_port": "1",
    "SERVER_A B": "1",
    "SERVER_A=B": "1",
    "SERVER_PORT": 50051,
    "SERVER_RELEASE": "other",
    "SERVER_PLAINTEXT": True,
    "SERVER_TLS_DIRECTORY": "/srv/evil",
    "SERVER_NAME": "one\nLD_PRELOAD=/srv/evil.so",
    "SERVER_RETURN": "one\rtwo",
    "SERVER_NULL": "one\0two",
    "SERVER_ESCAPE": "\x1b[2J",
    "SERVER_SURROGATE": "\ud800",
    "SERVER_LIST": ["a", "b"],
    "SERVER_NOTHING": None,
}


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_setting_is_refused_by_key_and_value(key: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        settings.checked({"SERVER_REFLECTION": True, key: HOSTILE[key]})
    assert f"{key} = {HOSTILE[key]!r}" in str(refusal.value)


def test_a_refused_setting_fails_the_run_and_builds_nothing(fresh: Machine) -> None:
    output = fresh.run(settings={"SERVER_NAME": "one\ntwo"}, expect=2)
    assert r"SERVER_NAME = 'one\ntwo' cannot be released" in output
    assert not fresh.releases.exists()


@pytest.mark.parametrize(
    "value", ["", "plain", "two words", 'a "quoted" one', "$HOME `id` \\n \\", "'", "#;=", "olá ☕"]
)
def test_a_setting_means_what_was_written(value: str) -> None:
    """systemd reads double quotes as a shell does, and a shell is what we have here."""
    text = settings.environment_file(settings.checked({"SERVER_TEXT": value}))
    script = f'{text}printf %s "$SERVER_TEXT"'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert shell.stdout.decode() == value


def test_a_wheel_with_another_hash_is_refused(fresh: Machine) -> None:
    with next(fresh.index.glob("pure-*")).open("ab") as wheel:
        wheel.write(b"evil")
    assert "DO NOT MATCH" in fresh.run(expect=2)
    assert not fresh.releases.exists()


def test_a_lock_without_hashes_is_refused(fresh: Machine) -> None:
    (fresh.folder / "lock.txt").write_text("compiled==1.0\npure==2.5\n")
    assert "does not pin compiled to one version with sha256 hashes" in fresh.run(expect=2)


def test_a_lock_that_lacks_what_the_project_needs_is_refused(fresh: Machine) -> None:
    compiled = fresh.index.glob("compiled-*")
    (fresh.folder / "lock.txt").write_text(lock_lines(*compiled)["compiled"])
    output = fresh.run(expect=2)
    assert "trial 1.2.3 needs pure>=2" in output
    assert "make lock" in output


def test_locks_that_disagree_are_refused(fresh: Machine) -> None:
    older = make_wheel(fresh.index, "pure", "2.4")
    (fresh.folder / "more.txt").write_text(lock_lines(older)["pure"])
    locks = [str(fresh.folder / name) for name in ("lock.txt", "more.txt")]
    assert "asks for pure==2.4: pure==2.5 is locked" in fresh.run(expect=2, requirements=locks)


def test_a_build_that_fails_says_why(fresh: Machine) -> None:
    shutil.rmtree(fresh.project / "src")
    output = fresh.run(expect=2)
    assert "The project trial could not be built" in output


def test_a_missing_project_is_named(fresh: Machine) -> None:
    output = fresh.run(expect=2, projects=[str(fresh.folder / "nowhere")])
    assert "nowhere/pyproject.toml" in output
    assert "release_projects" in output
