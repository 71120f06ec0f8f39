"""What a run compares of a host with what it brings, to pass over what is there already."""

import base64
import hashlib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.grpc_server import archives
from tests.grpc_server.test_proof import load

FILTERS = ROOT / "roles/grpc_server/filter_plugins"
interface = load(FILTERS / "interface.py").interface
file_states = load(FILTERS / "host_files.py").file_states
DATA = b"\x0a\xff descriptors"
OWNED = {"mode": "0644", "pw_name": "root", "gr_name": "saudacao"}
STATE = "0644 root saudacao"


@pytest.mark.parametrize("members", [{"descriptors.binpb": DATA}, {}])
def test_an_interface_is_named_by_the_descriptors_in_the_archive(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    archive = archives.write(tmp_path / "release.tar", {"release.json": b"{}", **members})
    named = hashlib.sha256(DATA).hexdigest() if members else ""
    assert interface(str(archive), base64.b64encode(b"others").decode()) == named


def test_without_the_archive_it_is_named_by_given_descriptors(tmp_path: Path) -> None:
    given = base64.b64encode(DATA).decode()
    assert interface(str(tmp_path / "none.tar"), given) == hashlib.sha256(DATA).hexdigest()
    assert interface(str(tmp_path / "none.tar"), "") == ""


def test_states_are_of_files_and_folders_alone() -> None:
    found = [
        {"path": "/a", "isdir": False, "checksum": "9f86", **OWNED},
        {"path": "/b", "isdir": True, **OWNED},
        {"path": "/link", "isdir": False, **OWNED},
    ]
    assert file_states(found) == {
        "/a": "9f86 0644 root saudacao",
        "/b": "folder 0644 root saudacao",
    }
