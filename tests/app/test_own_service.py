"""A service of somebody's own, built from the guide, in a virtual environment of its own."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.app.guide import write_project
from tests.app.pki import SERVER_NAME, Authority
from tests.app.running import LogFile, until


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A new virtual environment that sees this one's packages, with the project installed."""
    project = write_project(tmp_path)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True, timeout=60)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    (own,) = tmp_path.glob("venv/lib/python*/site-packages")
    outer = (f"import site; site.addsitedir({one!r})\n" for one in site.getsitepackages())
    (own / "outer.pth").write_text("".join(outer))
    (wheel,) = tmp_path.glob("sums-1.0.0-*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    subprocess.run(
        [*install, "--no-deps", str(wheel)], check=True, capture_output=True, timeout=120
    )
    return python


def call(python: Path, config: Path, *numbers: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "sums.client", str(config), *numbers]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30, cwd=config.parent
    )


def check(
    python: Path, environment: dict[str, str], port: int, authority: Authority
) -> subprocess.CompletedProcess[str]:
    """Check the server as a host does; the guide's check makes a call of its own."""
    folder = authority.folder
    command = [str(python), "-I", "-m", "saudacao.check", f"--address=127.0.0.1:{port}"]
    command += [f"--server-name={SERVER_NAME}", f"--ca-file={folder}/ca.crt"]
    command += [f"--certificate-file={folder}/server.crt", f"--key-file={folder}/server.key"]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30, env=environment
    )


def test_the_guides_service_answers_its_own_client_over_mutual_tls(
    python: Path, authority: Authority, tmp_path: Path
) -> None:
    log = LogFile(tmp_path / "server.log")
    settings = {"SERVICE": "sums", "PORT": "0", "TLS_DIRECTORY": str(authority.folder)}
    environment = os.environ | {f"SERVER_{key}": value for key, value in settings.items()}
    with log.path.open("wb") as stderr:
        server = subprocess.Popen(
            [python, "-I", "-m", "saudacao.server"], env=environment, stderr=stderr
        )
    try:
        until(lambda: log.lines("ready") or server.poll() is not None)
        config = write_config(authority, log.lines("ready")[0]["port"])
        added = call(python, config, "1", "2", "3")
        assert (added.stdout, added.stderr) == ("6\n", "")
        checked = check(python, environment, log.lines("ready")[0]["port"], authority)
        assert (checked.returncode, checked.stderr) == (0, "")
        refused = call(python, config)
        assert refused.returncode == 1
        assert "INVALID_ARGUMENT: numbers is empty" in refused.stderr
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0
    assert [line["method"] for line in log.calls("OK")] == ["/sums.v1.SumService/Sum"] * 2


def write_config(authority: Authority, port: int) -> Path:
    path = authority.folder / "client.toml"
    path.write_text(
        f'endpoint = "127.0.0.1:{port}"\nserver_name = "trial.internal"\nca_file = "ca.crt"\n'
        'certificate_file = "server.crt"\nkey_file = "server.key"\n'
    )
    return path
