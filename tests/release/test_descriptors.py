"""The descriptors in a release: what its clients know of it, and nothing else."""

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from roles.release.module_utils.release import ReleaseError, descriptors
from tests.app.guide import write_project
from tests.conftest import ROOT
from tests.release.conftest import Machine, content
from tests.release.distributions import PROTO


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def files(data: bytes) -> list[str]:
    return [file.name for file in FileDescriptorSet.FromString(data).file]


def test_a_release_carries_the_descriptors_of_its_project(built: Machine) -> None:
    (archive,) = built.archives()
    described = FileDescriptorSet.FromString(content(archive)["descriptors.binpb"])
    assert described.file[0].message_type[0].field[0].name == "name"


def test_another_interface_is_another_release(machine: Machine, tmp_path: Path) -> None:
    """The folder is outside of the project, so that nothing else differs."""
    proto = write(tmp_path / "interface", "other.proto", PROTO)
    machine.run(proto=str(proto))
    newest, *older = machine.archives()
    assert len(older) == 1
    assert files(content(newest)["descriptors.binpb"]) == ["other.proto"]


def test_a_project_without_an_interface_has_no_descriptors(machine: Machine) -> None:
    shutil.rmtree(machine.project / "proto")
    machine.run()
    assert "descriptors.binpb" not in content(machine.archives()[0])


def test_comments_and_places_are_no_part_of_the_descriptors(tmp_path: Path) -> None:
    plain = write(tmp_path / "one", "a/trial.proto", PROTO)
    commented = PROTO.replace("// Trial has", "\n// Known as Trial, it has")
    assert commented != PROTO
    assert descriptors.compiled(plain) == descriptors.compiled(
        write(tmp_path / "two", "a/trial.proto", commented)
    )


def test_a_folders_own_buf_settings_ask_nobody(tmp_path: Path) -> None:
    proto = write(tmp_path, "a/trial.proto", PROTO)
    write(proto, "buf.yaml", "version: v2\ndeps: [registry.invalid/someone/something]\n")
    assert files(descriptors.compiled(proto)) == ["a/trial.proto"]


def test_the_descriptors_bring_what_they_import(tmp_path: Path) -> None:
    text = PROTO.replace("// Trial", 'import "google/protobuf/empty.proto";\n// Trial')
    text = text.replace("string name", "google.protobuf.Empty name")
    described = descriptors.compiled(write(tmp_path, "trial.proto", text))
    assert files(described) == ["google/protobuf/empty.proto", "trial.proto"]


def test_the_greeter_is_described_with_its_original_service() -> None:
    folder = descriptors.folder(ROOT / "app", None)
    assert folder is not None
    found = FileDescriptorSet.FromString(descriptors.compiled(folder)).file
    packages = {file.package: [service.name for service in file.service] for file in found}
    assert packages == {"": ["SaudacaoService"], "saudacao.v1": ["SaudacaoService"]}


def test_a_service_by_the_guide_is_described_by_its_own_interface(tmp_path: Path) -> None:
    folder = descriptors.folder(write_project(tmp_path), None)
    assert folder is not None
    assert files(descriptors.compiled(folder)) == ["sums/v1/sum_service.proto"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"nowhere: correct release_proto"):
        descriptors.folder(ROOT / "app", tmp_path / "nowhere")


def test_a_file_that_does_not_compile_is_named(tmp_path: Path) -> None:
    write(tmp_path, "trial.proto", PROTO.replace("string", "strong"))
    with pytest.raises(ReleaseError, match=r"trial\.proto:5:3"):
        descriptors.compiled(tmp_path)
