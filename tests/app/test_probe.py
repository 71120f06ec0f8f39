"""saudacao-client as the prover of a deploy: its connections, its moments, its failures."""

import itertools
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from saudacao import greeter
from saudacao.names import varied
from saudacao.probe import Call, Plan, Probe
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override

from tests.app.conftest import Serve
from tests.app.pki import Authority
from tests.app.running import COMMAND, Noting, Running, write_config

Begin = Callable[..., Running]


class Flawed(greeter.Greeter):
    """Fails every third call."""

    def __init__(self) -> None:
        self._calls = itertools.count(1)

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        if next(self._calls) % 3 == 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "every third call")
        return super().Saudar(request, context)


def register_flawed(server: grpc.Server) -> tuple[str, ...]:
    saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(Flawed(), server)
    return ()


@pytest.fixture
def serve(start: Serve, authority: Authority, tmp_path: Path) -> Begin:
    """Serve with TLS, and write the client's configuration."""

    def begin(*arguments: Any) -> Running:
        running = start(*arguments, tls_directory=authority.folder)
        write_config(tmp_path, running.port)
        return running

    return begin


def probe(folder: Path, *options: str, code: int) -> dict[str, Any]:
    """Run the client to its end, and return its summary."""
    command = [str(COMMAND), "--json", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_mixed_threads_keep_connections_and_make_new_ones(serve: Begin, tmp_path: Path) -> None:
    """Two threads keep one each, two make one for five calls: fresh is the call that made it."""
    greeter = Noting()
    serve(greeter.register)
    options = ("--mixed", "--count", "80", "--rate", "160", "--concurrency", "4")
    kinds = probe(tmp_path, *options, code=0)["by_release"]["r1"]
    fresh, kept = kinds["fresh"]["calls"], kinds["persistent"]["calls"]
    assert fresh + kept == 80
    assert 3 < fresh < 20
    assert fresh < len(greeter.peers) <= fresh + 2


@pytest.mark.parametrize(
    ("options", "kind"), [((), "persistent"), (("--fresh",), "fresh")], ids=["kept", "fresh"]
)
def test_the_kind_of_connection_without_calls_is_left_out(
    serve: Begin, tmp_path: Path, options: tuple[str, ...], kind: str
) -> None:
    serve()
    summary = probe(tmp_path, "--count", "5", *options, code=0)
    (figures,) = summary["by_release"]["r1"].values()
    assert list(summary["by_release"]["r1"]) == [kind]
    assert figures["calls"] == 5
    assert 0 < figures["p50"] <= figures["p99"] == summary["latency_ms"]["p99"]


def test_each_call_begins_at_a_random_moment_of_its_turn(start: Serve) -> None:
    calls: list[Call] = []
    before = datetime.now(UTC).timestamp()
    Probe(start().plain, Plan(10, rate=10, concurrency=4), varied(()), calls.append).run()
    numbers = [int(call.request_id.partition("-")[2]) for call in calls]
    late = [call.began - before - n / 10 for n, call in zip(numbers, calls, strict=True)]
    assert min(late) >= 0
    assert max(late) - min(late) > 0.02


def test_the_first_failure_ends_the_probing_and_says_who_answered_when(
    serve: Begin, tmp_path: Path
) -> None:
    serve(register_flawed)
    before = datetime.now(UTC)
    summary = probe(tmp_path, "--duration", "50", "--rate", "20", "--stop-on-failure", code=1)
    assert summary["by_status"] == {"OK": 2, "UNAVAILABLE": 1}
    assert (summary["failed"], summary["interrupted"]) == (1, False)
    failure = summary["first_failure"]
    assert (failure["status"], failure["release"]) == ("UNAVAILABLE", "r1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", failure["at"])
    began = datetime.fromisoformat(failure["at"]).timestamp()
    assert before.timestamp() - 0.001 <= began <= datetime.now(UTC).timestamp()


def test_failures_do_not_end_the_probing_unless_asked(serve: Begin, tmp_path: Path) -> None:
    serve(register_flawed)
    assert probe(tmp_path, "--count", "9", code=1)["by_status"] == {"OK": 6, "UNAVAILABLE": 3}


def test_a_refused_call_names_the_release_that_refused_it(serve: Begin, tmp_path: Path) -> None:
    serve()
    summary = probe(tmp_path, "", code=1)
    assert summary["first_failure"]["status"] == "INVALID_ARGUMENT"
    assert summary["releases"] == {"r1": 1}


def test_a_call_that_nothing_answered_has_no_release(authority: Authority, tmp_path: Path) -> None:
    assert authority.folder.exists()
    write_config(tmp_path, 1)
    summary = probe(tmp_path, "--duration", "50", "--stop-on-failure", code=1)
    assert summary["first_failure"]["release"] is None
    assert summary["by_release"] == {}


def test_certificates_that_change_meanwhile_do_not_disturb_it(
    serve: Begin, authority: Authority, tmp_path: Path
) -> None:
    server = serve()
    config = authority.config(server.port)
    assert config.key_file is not None
    own_key = tmp_path / "own.key"
    own_key.write_bytes(config.key_file.read_bytes())
    config = replace(config, key_file=own_key)
    calls: list[Call] = []
    probing = Probe(config, Plan(3, fresh=True), varied(()), calls.append)
    own_key.write_text("half written")
    probing.run()
    assert [call.problem for call in calls] == [None] * 3
