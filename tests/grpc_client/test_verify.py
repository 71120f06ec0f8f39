"""playbooks/verify.yml from outside: every line is broken once, and says what differed."""

import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.certificates.authority import end_in
from tests.grpc_client.conftest import Deployment

FROM_OUTSIDE = {"greeting", "concurrent calls", "health", "no certificate"}


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass(frozen=True)
class Verified:
    """A deployment whose server is good and still runs, and what its verification printed."""

    deployment: Deployment
    output: str


@pytest.fixture(scope="module")
def verified(issued: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verified]:
    folder = tmp_path_factory.mktemp("verified")
    shutil.copytree(issued, folder / "certificates")
    deployment = Deployment(folder)
    with deployment.serving() as port:
        yield Verified(deployment, deployment.verify(port))


def test_a_good_server_passes_from_outside(verified: Verified) -> None:
    assert verified.deployment.passed() == FROM_OUTSIDE
    assert "passed  greeting: ''Olá, Leonardo!''" in verified.output
    assert "200 calls, 0 failed, 0 wrong" in verified.output


def test_without_a_host_nothing_is_said_of_logs_and_release(verified: Verified) -> None:
    lines = verified.deployment.lines()
    assert "no host was asked" in lines["logs"]["found"]
    assert "grpc-switch status" in lines["release"]["next"]
    assert "FAILED  release" in verified.output


def test_the_client_finds_the_service_by_the_file_alone(verified: Verified) -> None:
    """client.toml works from any folder, since its paths are relative to itself."""
    config = verified.deployment.folder / "client.toml"
    command = [sys.executable, "-m", "saudacao.cli", "--config", str(config), "Ana"]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert result.stdout == "Olá, Ana!\n", result.stderr
    assert tomllib.loads(config.read_text())["ca_file"] == "certificates/ca.crt"


def test_a_stopped_server_fails_every_line_with_what_to_type(
    deployment: Deployment, unused_port: int
) -> None:
    output = deployment.verify(unused_port)
    assert deployment.passed() == set()
    assert "UNAVAILABLE" in output
    assert all(line["next"] for line in deployment.lines().values())


def test_wrong_replies_and_open_doors_are_found(deployment: Deployment) -> None:
    with deployment.serving_wrongly() as port:
        output = deployment.verify(port)
    lines = deployment.lines()
    assert deployment.passed() == set()
    assert "200 wrong" in lines["concurrent calls"]["found"]
    assert "NOT_SERVING" in lines["health"]["found"]
    assert "accepts callers without a certificate" in lines["no certificate"]["found"]
    assert "expected 'Olá, Leonardo!'" in output


@pytest.mark.parametrize("name", ["server", "client"])
def test_an_expired_certificate_is_named(deployment: Deployment, name: str) -> None:
    end_in(deployment.certificates / f"{name}.crt", -1, deployment.certificates / "ca.key")
    with deployment.serving() as port:
        deployment.verify(port)
    assert deployment.passed() == set()
    assert "certificate" in deployment.lines()["greeting"]["found"]


def test_a_service_of_ones_own_is_verified_by_its_own_client(deployment: Deployment) -> None:
    own: dict[str, Any] = {
        "grpc_client_command": [sys.executable, "-c", "print(1 + 2)"],
        "grpc_client_expected_output": "3",
        "grpc_client_probe_command": [],
    }
    with deployment.serving() as port:
        deployment.verify(port, **own)
    assert deployment.passed() == FROM_OUTSIDE - {"concurrent calls"}


def test_a_client_that_does_not_exist_is_named(deployment: Deployment) -> None:
    with deployment.serving() as port:
        deployment.verify(port, grpc_client_command=["/nowhere/client"])
    found = deployment.lines()["greeting"]["found"]
    assert found == "/nowhere/client could not be started: No such file or directory"


def test_check_mode_shows_the_configuration_and_calls_nobody(
    deployment: Deployment, unused_port: int
) -> None:
    output = deployment.verify(unused_port, "--check", "--diff", expect=0)
    assert f'+endpoint = "127.0.0.1:{unused_port}"' in output
    assert [path.name for path in deployment.folder.glob("*.toml")] == []


def test_without_a_stack_it_says_what_comes_first(deployment: Deployment) -> None:
    output = deployment.verify(0, stack={})
    assert "ansible-playbook -i" in output
    assert "site.yml" in output


def test_check_mode_without_a_stack_is_fine(deployment: Deployment) -> None:
    output = deployment.verify(0, "--check", expect=0, stack={})
    assert "nothing to verify" in output
    assert "failed=0" in output
