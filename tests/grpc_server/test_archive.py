"""Archives from elsewhere: nothing in one can reach beyond its release's own folder."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from grpc_switch import archive
from grpc_switch.config import Config
from grpc_switch.system import RefusedError

from tests.grpc_server.archives import description, write

GOOD = {"requirements.txt": b"", "settings.env": b"A=b\n", "wheels/pip-1-py3-none-any.whl": b"w"}
NAMES = ["../evil", "/etc/evil", "wheels/../../evil", "wheels/deep/er", ".hidden", "venv", "a\nb"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        name="saudacao", port=50051, pool=(50061, 50069), python="/usr/bin/python3.11",
        check_module="saudacao.check", server_name="saudacao.internal", root=tmp_path,
    )  # fmt: skip


def _archive(folder: Path, release: str = "1.0", **changes: object) -> Path:
    described = {**description(release), **changes}
    files = {**GOOD, "release.json": json.dumps(described).encode()}
    return write(folder / f"{release}.tar", files)


def _add(path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(path, "a") as tar:
        tar.addfile(entry)


def test_a_release_is_unpacked_into_its_folder(config: Config, tmp_path: Path) -> None:
    path = _archive(tmp_path)
    assert archive.describe(config, path)["id"] == "1.0"
    archive.unpack(path, tmp_path / "release")
    files = {str(f.relative_to(tmp_path / "release")) for f in (tmp_path / "release").rglob("*.*")}
    assert files == set(GOOD)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_plain_is_refused(config: Config, tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path)
    _add(path, name)
    with pytest.raises(RefusedError, match="no plain file of a release"):
        archive.describe(config, path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_a_member_that_is_no_file_is_refused(config: Config, tmp_path: Path, kind: bytes) -> None:
    path = _archive(tmp_path)
    _add(path, "extra", kind)
    with pytest.raises(RefusedError, match="no plain file of a release"):
        archive.describe(config, path)


def test_a_member_that_comes_twice_is_refused(config: Config, tmp_path: Path) -> None:
    path = _archive(tmp_path)
    _add(path, "settings.env")
    with pytest.raises(RefusedError, match=r"settings\.env"):
        archive.describe(config, path)


@pytest.mark.parametrize("release", ["../1.0", "a/b", "", ".", 7, None])
def test_an_id_other_than_the_archives_name_is_refused(
    config: Config, tmp_path: Path, release: object
) -> None:
    path = _archive(tmp_path, id=release)
    with pytest.raises(RefusedError, match="not what its name says"):
        archive.describe(config, path)


def test_a_name_that_systemd_would_have_to_escape_is_refused(
    config: Config, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="is not a release"):
        archive.describe(config, _archive(tmp_path, "1.0+x"))


@pytest.mark.parametrize(("key", "value"), [("platform", "s390x"), ("python", "3.12")])
def test_a_release_for_another_host_is_refused(
    config: Config, tmp_path: Path, key: str, value: str
) -> None:
    with pytest.raises(RefusedError, match=f"is made for {key} {value}"):
        archive.describe(config, _archive(tmp_path, **{key: value}))


def test_an_archive_that_lacks_a_file_is_refused(config: Config, tmp_path: Path) -> None:
    path = write(tmp_path / "1.0.tar", {"requirements.txt": b""})
    with pytest.raises(RefusedError, match=r"it lacks release\.json, settings\.env"):
        archive.describe(config, path)


@pytest.mark.parametrize("data", [b"", b"no tar", b"\x1f\x8b" + b"0" * 600])
def test_a_file_that_is_no_tar_is_refused(config: Config, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "1.0.tar"
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="is no release archive"):
        archive.describe(config, path)


def test_python_is_compared_by_its_version(config: Config, tmp_path: Path) -> None:
    other = replace(config, python="/usr/bin/python3.12")
    with pytest.raises(RefusedError, match=r"python 3\.11, not for 3\.12"):
        archive.describe(other, _archive(tmp_path))
