"""Files that are written whole, the lock, and the command line's exits."""

import json
from pathlib import Path

import pytest
from grpc_switch import __main__ as program
from grpc_switch import config
from grpc_switch.system import RefusedError, locked, run, write_atomically


def test_a_text_that_does_not_validate_leaves_the_old_one(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise RefusedError(path.read_text())

    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(RefusedError, match="new"):
        write_atomically(target, "new", validate=refuse)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(RefusedError, match="folder/file could not be written"):
        write_atomically(tmp_path / "folder" / "file", "text")


def test_a_second_run_waits_and_is_then_refused(tmp_path: Path) -> None:
    second = locked(tmp_path / "lock", 0.1)
    with locked(tmp_path / "lock"), pytest.raises(RefusedError, match="another grpc-switch"):
        second.__enter__()


def test_the_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), locked(tmp_path / "lock"):
        raise ValueError("broken")
    with locked(tmp_path / "lock", 0.1):
        assert True


def test_a_command_that_fails_is_refused_in_its_own_words() -> None:
    with pytest.raises(RefusedError, match=r"^it went wrong$"):
        run("sh", "-c", "echo it went wrong >&2; exit 3")


def test_a_command_that_is_silent_about_its_failure_is_named() -> None:
    with pytest.raises(RefusedError, match=r"^false ended with 1$"):
        run("false")


@pytest.mark.parametrize(
    "text", ["", "{}", '{"name": "a", "pool": 1}', '{"nome": "a", "pool": []}']
)
def test_a_wrong_configuration_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "grpc-switch.json"
    path.write_text(text)
    with pytest.raises(RefusedError, match=r"grpc-switch\.json cannot be used"):
        config.load(path)


def test_a_refusal_is_one_sentence_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(config.load, "__defaults__", (tmp_path / "missing.json",))
    assert program.main(["status"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("grpc-switch status: ")
    assert "Run the role grpc_server again" in err


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["switch"], ["switch", "a", "--confirm-within", "x"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        program.main(arguments)
    assert stopped.value.code == 2


def test_the_configuration_is_what_the_role_writes(tmp_path: Path) -> None:
    path = tmp_path / "grpc-switch.json"
    values = {
        "name": "a",
        "port": 1,
        "pool": [2, 3],
        "python": "p",
        "check_module": "c",
        "server_name": "s",
    }
    path.write_text(json.dumps(values))
    assert config.load(path).pool == (2, 3)
