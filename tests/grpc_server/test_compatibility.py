"""What breaks clients of the running release, found by buf in two interfaces."""

import base64
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from roles.grpc_server.module_utils.compatibility import (
    ComparisonError,
    breaking_changes,
    descriptors_of,
)
from roles.release.module_utils.release.descriptors import compiled
from tests.conftest import ROOT
from tests.grpc_server.archives import write
from tests.release.playing import play

FIELD = "  string nome = 1;"
METHOD = "  rpc Saudar(Mensagem) returns (Resposta);"
DELETED = 'field "1" with name "nome" on message "Mensagem" was deleted'
BREAKING = {
    "a removed field": (FIELD, "", DELETED),
    "another type": (
        FIELD,
        "  int32 nome = 1;",
        '"Mensagem" changed type from "string" to "int32"',
    ),
    "another number": (FIELD, "  string nome = 2;", DELETED),
    "a reused number": (
        FIELD,
        "  string nome = 2;\n  uint64 id = 1;",
        '"id" on message "Mensagem" changed type from "string" to "uint64"',
    ),
    "a removed method": (METHOD, "", 'RPC "Saudar" on service "SaudacaoService" was deleted'),
    "a renamed method": ("rpc Saudar(", "rpc Greet(", 'RPC "Saudar" on service'),
    "a stream of replies": ("returns (Resposta)", "returns (stream Resposta)", "server streaming"),
    "a renamed service": (
        "service SaudacaoService",
        "service Greeter",
        'service "SaudacaoService" was deleted',
    ),
}
HARMLESS = {
    "nothing": (FIELD, FIELD),
    "an added field": (FIELD, f"{FIELD}\n  string tom = 2;"),
    "a renamed field": (FIELD, "  string name = 1;"),
    "a field whose number is reserved": (FIELD, "  reserved 1;"),
    "an added method": (METHOD, f"{METHOD}\n  rpc Despedir(Mensagem) returns (Resposta);"),
}
ORIGINAL = "saudacao/original/saudacao.proto"
CURRENT = "saudacao/v1/saudacao.proto"


@pytest.fixture(scope="module")
def before() -> bytes:
    return compiled(ROOT / "proto")


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "proto", tmp_path / "proto")


def edited(proto: Path, old: str, new: str, name: str = CURRENT) -> bytes:
    path = proto / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return compiled(proto)


@pytest.mark.parametrize("change", BREAKING)
def test_what_breaks_is_named(proto: Path, before: bytes, change: str) -> None:
    old, new, reason = BREAKING[change]
    (found,) = breaking_changes(before, edited(proto, old, new))
    assert reason in found
    assert CURRENT in found


@pytest.mark.parametrize("change", HARMLESS)
def test_what_old_clients_do_not_notice_passes(proto: Path, before: bytes, change: str) -> None:
    assert breaking_changes(before, edited(proto, *HARMLESS[change])) == []


def test_everything_that_breaks_is_named(proto: Path, before: bytes) -> None:
    edited(proto, FIELD, "")
    assert len(breaking_changes(before, edited(proto, "Saudar(", "Greet("))) == 2


def test_the_original_interface_without_a_package_is_guarded(proto: Path, before: bytes) -> None:
    after = edited(proto, "string nome = 1", "bytes nome = 2", ORIGINAL)
    assert [text.partition(":")[0] for text in breaking_changes(before, after)] == [ORIGINAL]


def test_a_removed_file_is_a_removed_package(proto: Path, before: bytes) -> None:
    (proto / CURRENT).unlink()
    assert breaking_changes(before, compiled(proto)) == [
        'Previously present package "saudacao.v1" was deleted.'
    ]


def test_a_file_may_move(proto: Path, before: bytes) -> None:
    (proto / CURRENT).rename(proto / "saudacao/v1/greeter.proto")
    assert breaking_changes(before, compiled(proto)) == []


def test_what_is_only_imported_is_no_interface(tmp_path: Path) -> None:
    path = tmp_path / "trial.proto"
    path.write_text('syntax = "proto3"; import "google/protobuf/empty.proto"; message Trial {}')
    with_import = compiled(tmp_path)
    path.write_text('syntax = "proto3"; message Trial {}')
    assert breaking_changes(with_import, compiled(tmp_path)) == []


def test_damaged_descriptors_are_no_verdict(before: bytes) -> None:
    with pytest.raises(ComparisonError, match="allow_breaking_change=true"):
        breaking_changes(b"\xff" * 9, before)


def test_an_archive_may_have_no_descriptors(tmp_path: Path) -> None:
    archive = write(tmp_path / "1.0.tar", {"release.json": b"{}"})
    assert descriptors_of(archive) == b""


def test_an_archive_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.0.tar").write_bytes(b"no tar")
    with pytest.raises(tarfile.TarError):
        descriptors_of(tmp_path / "1.0.tar")


def test_a_release_that_is_not_built_yet_is_compared_too(
    proto: Path, before: bytes, tmp_path: Path
) -> None:
    """As in check mode, where the archive is not there but its descriptors are known."""
    task = {"archive": str(tmp_path / "1.0.tar"), "against": base64.b64encode(before).decode()}
    task["descriptors"] = base64.b64encode(edited(proto, FIELD, "")).decode()
    playbook = tmp_path / "compare.yml"
    tasks = [{"name": "Compare", "release_compatibility": task}]
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    role = ROOT / "roles/grpc_server"
    found = {"LIBRARY": str(role / "library"), "MODULE_UTILS": str(role / "module_utils")}
    environment = {f"ANSIBLE_{key}": value for key, value in found.items()}
    output = play(playbook, {}, "--check", "-v", folder=tmp_path, environment=environment)
    assert 'field "1" with name "nome"' in output
