"""The actions `local_file` and `local_move`: files and folders of the control node."""

from pathlib import Path

import pytest

from plugins.action.local_file import make_folder, write
from plugins.action.local_move import move


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_written_once_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert write(file, "á\n", 0o600, check=False)
    assert (file.read_text("utf-8"), mode(file)) == ("á\n", 0o600)
    assert not write(file, "á\n", 0o600, check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(("text", "bits"), [("new", 0o600), ("old", 0o644)])
def test_what_differs_is_set_right_but_not_in_check_mode(
    tmp_path: Path, text: str, bits: int
) -> None:
    file = tmp_path / "key"
    write(file, "old", 0o600, check=False)
    assert write(file, text, bits, check=True)
    assert (file.read_text(), mode(file)) == ("old", 0o600)
    assert write(file, text, bits, check=False)
    assert (file.read_text(), mode(file)) == (text, bits)


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "deploy" / "local"
    assert make_folder(folder, 0o700, check=True)
    assert not folder.parent.exists()
    assert make_folder(folder, 0o700, check=False)
    assert (mode(folder.parent), mode(folder)) == (0o700, 0o700)
    assert not make_folder(folder, 0o700, check=False)


def test_the_mode_of_a_folder_that_is_there_is_set_right(tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    folder.mkdir(mode=0o755)
    assert make_folder(folder, 0o700, check=False)
    assert mode(folder) == 0o700


def test_files_take_the_place_of_those_of_their_names(tmp_path: Path) -> None:
    aside, folder = tmp_path / "next", tmp_path / "folder"
    files = [aside / "server.key", aside / "server.crt"]
    for file in [*files, aside / "ca.crt", folder / "server.key"]:
        write_new(file)
    move(files, folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        file.name: str(file) for file in files
    }
    assert [path.name for path in aside.iterdir()] == ["ca.crt"]
    move([], folder, left=aside)
    assert not aside.exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"server\.key"):
        move([tmp_path / "server.key"], tmp_path)


def write_new(file: Path) -> None:
    """Write a file that says where it was made."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(str(file))
