"""How a file reaches a host together with the command that takes it: whole or not at all."""

import subprocess
from pathlib import Path

import pytest

from plugins.action.grpc_switch import receive

CONTENT = bytes(range(256)) * 1000


def received(path: Path, content: bytes) -> "subprocess.CompletedProcess[bytes]":
    """Send this much of the content to the command that awaits all of it."""
    command = ["/bin/sh", "-c", f"{receive(str(path), len(CONTENT))} && echo taken"]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_a_file_arrives_as_it_is_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "it's a file.tar"
    assert received(path, CONTENT).stdout == b"taken\n"
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [0, 1, len(CONTENT) - 1])
def test_what_was_cut_short_is_not_taken_and_leaves_no_trace(tmp_path: Path, size: int) -> None:
    done = received(tmp_path / "file.tar", CONTENT[:size])
    assert (done.returncode, done.stdout) == (1, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_short_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(b"before")
    assert received(path, CONTENT[:1000]).returncode == 1
    assert path.read_bytes() == b"before"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    done = received(tmp_path / "missing/file.tar", CONTENT)
    assert done.returncode == 1
    assert b"missing/file.tar" in done.stderr
