"""saudacao-client, run as people and playbooks run it."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from saudacao.client import explain
from saudacao.names import varied
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

from tests.app.conftest import Serve
from tests.app.pki import Authority
from tests.app.running import COMMAND, Noting, Running, dial, greet, until, write_config


class WrongGreeter(saudacao_pb2_grpc.SaudacaoServiceServicer):
    """Greets everybody as João."""

    @override
    def Saudar(self, *_: object) -> saudacao_pb2.Resposta:
        return saudacao_pb2.Resposta(texto="Olá, João!")


def register_wrong(server: grpc.Server) -> tuple[str, ...]:
    saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(WrongGreeter(), server)
    return ()


@pytest.fixture
def silent(authority: Authority, tmp_path: Path) -> Path:
    """The client.toml of a deployment that does not answer, beside its certificates."""
    assert authority.folder == tmp_path / "tls"
    return write_config(tmp_path, 1)


def client(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "SAUDACAO_CLIENT_CONFIG"}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture
def server(start: Serve, authority: Authority, tmp_path: Path) -> Running:
    running = start(tls_directory=authority.folder)
    write_config(tmp_path, running.port)
    return running


@pytest.mark.usefixtures("server")
def test_one_name_is_greeted_without_any_option(tmp_path: Path) -> None:
    done = client(tmp_path, "Leonardo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Olá, Leonardo!\n", "")


@pytest.mark.usefixtures("server")
def test_each_name_has_its_line_and_a_bad_one_spoils_only_the_exit_code(tmp_path: Path) -> None:
    done = client(tmp_path, "Ana", "", "João da Silva")
    assert (done.returncode, done.stdout) == (1, "Olá, Ana!\nOlá, João da Silva!\n")
    assert "INVALID_ARGUMENT: nome is empty" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_names_the_request_id_under_which_the_server_logged_it(
    server: Running, tmp_path: Path
) -> None:
    done = client(tmp_path, "")
    until(lambda: server.log.calls("INVALID_ARGUMENT"))
    (line,) = server.log.calls("INVALID_ARGUMENT")
    assert done.stderr.endswith(f" (request id {line['request_id']})\n")


def test_a_call_that_is_given_a_request_id_fails_with_that_one(
    server: Running, authority: Authority
) -> None:
    config = authority.config(server.port)
    with dial(config) as channel, pytest.raises(grpc.RpcError) as caught:
        greet(channel, "")
    (line,) = server.log.calls("INVALID_ARGUMENT")
    assert f"(request id {line['request_id']})" in explain(caught.value, config)


def test_two_hundred_varied_names_are_all_greeted_and_found_in_the_log(
    server: Running, tmp_path: Path
) -> None:
    done = client(tmp_path, "--count", "200", "--concurrency", "20", "--json", "Leonardo")
    result = summary(done)
    assert done.returncode == 0
    assert (result["calls"], result["failed"], result["wrong"]) == (200, 0, 0)
    assert (result["by_status"], result["releases"]) == ({"OK": 200}, {"r1": 200})
    assert result["first_failure"] is None
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["max"]
    until(lambda: len(server.log.calls("OK")) == 200)
    assert {line["request_id"] for line in server.log.calls("OK")} == set(result["request_ids"])


@pytest.fixture
def noting(start: Serve, authority: Authority, tmp_path: Path) -> Noting:
    greeter = Noting()
    write_config(tmp_path, start(greeter.register, tls_directory=authority.folder).port)
    return greeter


def test_fresh_connections_are_one_for_each_call(noting: Noting, tmp_path: Path) -> None:
    assert client(tmp_path, "--count", "10", "--fresh").returncode == 0
    assert len(noting.peers) == 10


def test_a_kept_connection_serves_all_calls_of_a_thread(noting: Noting, tmp_path: Path) -> None:
    assert client(tmp_path, "--count", "10", "--concurrency", "2").returncode == 0
    assert len(noting.peers) <= 2


@pytest.mark.usefixtures("server")
def test_rate_and_duration_bound_the_calls(tmp_path: Path) -> None:
    options = ("--duration", "1", "--rate", "20", "--concurrency", "4", "--json")
    result = summary(client(tmp_path, *options))
    assert 5 <= result["calls"] <= 20
    assert 0.5 < result["seconds"] < 5


def test_a_wrong_reply_is_a_failure_that_shows_it(
    start: Serve, tmp_path: Path, authority: Authority
) -> None:
    running = start(register_wrong, tls_directory=authority.folder)
    write_config(tmp_path, running.port)
    done = client(tmp_path, "João", "Ana")
    assert (done.returncode, done.stdout) == (1, "Olá, João!\n")
    assert "the reply to 'Ana' is 'Olá, João!'" in done.stderr
    result = summary(client(tmp_path, "--json", "Ana"))
    assert (result["failed"], result["wrong"]) == (0, 1)
    assert "Olá, João!" in result["first_failure"]["message"]


@pytest.mark.usefixtures("silent")
def test_a_stopped_server_is_reported_with_what_to_check(tmp_path: Path) -> None:
    done = client(tmp_path, "Ana")
    assert (done.returncode, done.stdout) == (1, "")
    assert "UNAVAILABLE" in done.stderr
    assert "check that the server runs" in done.stderr
    assert re.search(r"\(request id [0-9a-f]{8}-0\)$", done.stderr.rstrip())
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("server")
def test_an_expired_certificate_is_reported_with_what_to_check(
    authority: Authority, tmp_path: Path
) -> None:
    authority.issue("server", days=-0.5)
    done = client(tmp_path, "Ana")
    assert done.returncode == 1
    assert "expired" in done.stderr


def test_failures_are_counted_by_status(start: Serve, tmp_path: Path, authority: Authority) -> None:
    running = start(lambda _: (), tls_directory=authority.folder)
    write_config(tmp_path, running.port)
    done = client(tmp_path, "--count", "3", "--json")
    assert done.returncode == 1
    assert summary(done)["by_status"] == {"UNIMPLEMENTED": 3}
    assert summary(done)["first_failure"]["status"] == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "deploy first"),
        ("endpoint = ", "cannot be read"),
        ('endpoint = "x:1"', "server_name=None"),
        ('endpoint = 5\nserver_name = "x"', "endpoint=5"),
    ],
)
def test_a_bad_configuration_is_exit_code_2(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "client.toml"
    if content is not None:
        path.write_text(content)
    done = client(tmp_path, "--config", str(path), "Ana")
    assert done.returncode == 2
    assert why in done.stderr


def test_missing_certificates_are_exit_code_2_and_named(silent: Path, tmp_path: Path) -> None:
    (tmp_path / "tls" / "server.key").unlink()
    done = client(tmp_path, "--config", str(silent), "Ana")
    assert done.returncode == 2
    assert "server.key cannot be read" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--count", "0"),
        ("--nonsense",),
        ("\udcff",),
        ("--duration", "nan", "Ana"),
        ("--count", "9", "--mixed"),
        ("--count", "9", "--mixed", "--fresh", "--concurrency", "2"),
    ],
)
def test_bad_usage_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert client(tmp_path, *arguments).returncode == 2


def test_mixed_connections_in_one_thread_are_refused_with_what_to_give(tmp_path: Path) -> None:
    assert "--concurrency 2 or more" in client(tmp_path, "--count", "9", "--mixed").stderr


def test_made_up_names_differ_and_begin_with_those_given() -> None:
    names = varied(("Leonardo",))
    found = [next(names) for _ in range(2000)]
    assert found[0] == "Leonardo"
    assert len(set(found)) == 2000
    assert max(map(len, found)) == 256


@pytest.mark.usefixtures("server")
def test_progress_is_said_while_it_still_calls(tmp_path: Path) -> None:
    done = client(tmp_path, "--json", "--count=40", "--rate=40", "--progress=0.2")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    counts = [line["calls"] for line in lines]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert len(counts) >= 3
    assert 0 < lines[-1]["at"] - lines[0]["at"] < lines[-1]["seconds"] + 0.1
    assert set(summary(done)) - set(lines[-1]) == {"request_ids"}
