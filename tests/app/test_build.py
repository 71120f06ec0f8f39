"""The distribution: what a build makes, from where, and that it makes the same each time."""

import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.app.running import ROOT

IGNORED = shutil.ignore_patterns("*_pb2*", "__pycache__", "dist")


def build(folder: Path, *, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "out")]
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=60, umask=umask
    )


def wheel(folder: Path) -> Path:
    (found,) = (folder / "out").glob("*.whl")
    return found


def copy(folder: Path, *, proto: str | None) -> Path:
    """Copy app/ without what was generated, and proto/ to the place named."""
    shutil.copytree(ROOT / "app", folder / "app", ignore=IGNORED)
    if proto:
        shutil.copytree(ROOT / "proto", folder / proto)
    return folder / "app"


def test_two_builds_in_two_places_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    one = copy(tmp_path / "one", proto="proto")
    other = copy(tmp_path / "other" / "deeper", proto="proto")
    for path in other.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert build(one).returncode == 0
    assert build(other, umask=0o077).returncode == 0
    hashes = {sha256(wheel(folder).read_bytes()).hexdigest() for folder in (one, other)}
    assert len(hashes) == 1


@pytest.mark.parametrize("place", ["proto", "app/proto"])
def test_the_wheel_has_the_stubs_and_their_types(tmp_path: Path, place: str) -> None:
    folder = copy(tmp_path, proto=place)
    assert build(folder).returncode == 0
    names = set(zipfile.ZipFile(wheel(folder)).namelist())
    for package in ("v1", "original"):
        for suffix in ("pb2.py", "pb2.pyi", "pb2_grpc.py", "pb2_grpc.pyi"):
            assert f"saudacao/{package}/saudacao_{suffix}" in names
    assert "saudacao/py.typed" in names


def test_a_method_may_take_a_message_inside_another(tmp_path: Path) -> None:
    folder = copy(tmp_path, proto="proto")
    tmp_path.joinpath("proto/nested.proto").write_text(
        'syntax = "proto3";\npackage nested;\nmessage Outer { message Inner {} }\n'
        "service Nest { rpc Take(Outer.Inner) returns (Outer); }\n"
    )
    assert build(folder).returncode == 0
    types = (folder / "src" / "nested_pb2_grpc.pyi").read_text()
    assert "request: nested_pb2.Outer.Inner" in types


def test_a_build_without_the_interface_says_where_it_looked(tmp_path: Path) -> None:
    done = build(copy(tmp_path, proto=None))
    assert done.returncode != 0
    assert f"{tmp_path / 'proto'} does not exist" in done.stderr + done.stdout


def test_a_source_distribution_builds_the_wheel_of_the_repository(tmp_path: Path) -> None:
    folder = copy(tmp_path / "repository", proto="proto")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert build(source).returncode == 0
    assert build(folder).returncode == 0
    assert wheel(source).read_bytes() == wheel(folder).read_bytes()
