"""The interface: lint, and that a breaking change would be noticed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.running import ROOT

BUF = Path(sys.executable).with_name("buf")
PROTO = ROOT / "proto"


def buf(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run buf without a network, so that a test shows that it needs none."""
    offline = ["unshare", "--net"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*offline, BUF, *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(PROTO, tmp_path / "proto")


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "saudacao" / "v1" / "saudacao.proto"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_interface_is_clean_by_the_standard_rules() -> None:
    done = buf(PROTO, "lint")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_interface_is_formatted() -> None:
    assert buf(PROTO, "format", "--diff", "--exit-code").returncode == 0


def test_a_new_method_with_shared_types_is_no_exception_to_the_rules(copy: Path) -> None:
    method = "rpc Saudar(Mensagem) returns (Resposta);"
    edit(copy, method, method + " rpc Despedir(Mensagem) returns (Resposta);")
    done = buf(copy, "lint")
    assert done.returncode != 0
    assert "used as the request or response type" in done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string nome = 1", "string name = 1"),
        ("string nome = 1", "bytes nome = 1"),
        ("Saudar(", "Greet("),
    ],
)
def test_a_breaking_change_is_noticed(copy: Path, old: str, new: str) -> None:
    edit(copy, old, new)
    assert buf(copy, "breaking", "--against", str(PROTO)).returncode != 0


def test_an_added_field_breaks_nothing(copy: Path) -> None:
    edit(copy, "string nome = 1;", "string nome = 1;\n  // How to greet.\n  string tom = 2;")
    assert buf(copy, "breaking", "--against", str(PROTO)).returncode == 0
