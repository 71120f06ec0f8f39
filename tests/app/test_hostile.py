"""What a hostile or broken client gets: the status of the design, and a server that goes on."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from saudacao.client import Config
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

from tests.app.conftest import Serve, Spawn
from tests.app.pki import Authority
from tests.app.running import Running, dial, greet, serve, until
from tests.app.trial import Trial

METHOD = "/saudacao.v1.SaudacaoService/Saudar"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def shared(pki: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("log")
    with serve(folder, tls_directory=pki.folder, handshake_timeout=2) as running:
        yield running


@pytest.fixture
def server(pki: Authority, shared: Running) -> Iterator[Running]:
    """The server, which must answer others after each test, and never print a traceback."""
    yield shared
    with dial(pki.config(shared.port)) as channel:
        assert greet(channel) == "Olá, Leonardo!"
    assert "raceback" not in shared.log.text


@pytest.fixture
def channel(pki: Authority, server: Running) -> Iterator[Any]:
    with dial(pki.config(server.port)) as channel:
        yield channel


def refusal(call: object, *arguments: object, **keywords: object) -> grpc.RpcError:
    assert callable(call)
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=10, **keywords)
    assert "raceback" not in str(caught.value.details())
    return caught.value


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "empty"),
        ("   ", "blank"),
        ("\u2003\u200b\u200f", "blank"),
        ("x" * 257, "257 characters"),
        ("e\u0301" * 129, "258 characters"),
        ("Ana\n", "control character U+000A at position 4"),
        ("\x00", "control character U+0000"),
        ("A\x1b[31m", "control character U+001B"),
        ("A\u0085", "control character U+0085"),
        ("A\u2028B", "control character U+2028"),
    ],
)
def test_a_bad_name_is_an_invalid_argument_that_names_the_rule(
    channel: Any, name: str, rule: str
) -> None:
    stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
    error = refusal(stub.Saudar, saudacao_pb2.Mensagem(nome=name))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert rule in str(error.details())


@pytest.mark.parametrize(
    "name",
    [
        "\u200fنور\u200e",
        "\u202eanA\u202c",
        "👩‍👩‍👧‍👦",
        "e\u0301\u0302\u0303",
        "🎉" * 256,
        " Ana ",
        "a",
        '"}{%s',
        "\ufeffAna",
        "\U0010ffff",
    ],
)
def test_marks_emoji_and_combining_characters_are_greeted_as_sent(channel: Any, name: str) -> None:
    assert greet(channel, name) == f"Olá, {name}!"


def test_a_message_of_5_mb_exhausts_a_resource_and_is_logged_under_its_id(
    channel: Any, server: Running
) -> None:
    call = channel.unary_unary(METHOD)
    error = refusal(call, b"x" * 5_000_000, metadata=(("x-request-id", "five-mb"),))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    until(lambda: "five-mb" in server.log.text)


@pytest.mark.parametrize("request_bytes", [b"\xff\xff\xff", b"\x0a\x05abc", b"\x0a\x02\xc3\x28"])
def test_bytes_that_are_no_message_are_an_invalid_argument(
    channel: Any, request_bytes: bytes
) -> None:
    error = refusal(channel.unary_unary(METHOD), request_bytes)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be parsed" in str(error.details())


@pytest.mark.parametrize(
    "method", ["/saudacao.v1.SaudacaoService/Delete", "/none.Such/Saudar", "/x"]
)
def test_an_unknown_method_is_unimplemented(channel: Any, server: Running, method: str) -> None:
    error = refusal(channel.unary_unary(method), b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    until(lambda: any(line["method"] == method for line in server.log.calls("UNIMPLEMENTED")))


def test_headers_over_the_limit_exhaust_a_resource(channel: Any) -> None:
    call = channel.unary_unary(METHOD)
    error = refusal(call, b"\x0a\x01A", metadata=(("x-padding", "p" * 17_000),))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_headers_below_the_limit_are_accepted_every_time(channel: Any) -> None:
    call = channel.unary_unary(METHOD)
    for _ in range(20):
        call(b"\x0a\x01A", metadata=(("x-padding", "p" * 15_000),), timeout=10)


def test_a_client_without_tls_is_unavailable(server: Running) -> None:
    with dial(server.plain) as channel:
        error = refusal(channel.unary_unary(METHOD), b"")
    assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_without_a_certificate_is_unavailable(pki: Authority, server: Running) -> None:
    trust = grpc.ssl_channel_credentials((pki.folder / "ca.crt").read_bytes())
    options = [("grpc.ssl_target_name_override", "trial.internal")]
    channel: Any = grpc.secure_channel(f"127.0.0.1:{server.port}", trust, options)
    with channel:
        error = refusal(channel.unary_unary(METHOD), b"")
    assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_of_another_authority_is_unavailable(
    pki: Authority, server: Running, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    with dial(stranger.config(server.port, ca=pki)) as channel:
        error = refusal(channel.unary_unary(METHOD), b"")
    assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_trusts_another_authority_is_unavailable(
    pki: Authority, server: Running, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    with dial(pki.config(server.port, ca=other)) as channel:
        error = refusal(channel.unary_unary(METHOD), b"")
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in str(error.details())


def test_an_expired_client_certificate_is_unavailable(pki: Authority, server: Running) -> None:
    pki.issue("expired", days=-0.5)
    with dial(pki.config(server.port, "expired")) as channel:
        error = refusal(channel.unary_unary(METHOD), b"")
    assert error.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "accepted"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
def test_tls_begins_at_1_2(pki: Authority, server: Running, version: str, accepted: bool) -> None:
    context = ssl.create_default_context(cafile=pki.folder / "ca.crt")
    context.load_cert_chain(pki.folder / "server.crt", pki.folder / "server.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion[version]
    expected = contextlib.nullcontext() if accepted else pytest.raises(ssl.SSLError)
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain, expected:
        context.wrap_socket(plain, server_hostname="trial.internal").close()


def test_a_client_that_disappears_mid_call_frees_its_worker(start: Serve) -> None:
    trial = Trial()
    running = start(trial.register, max_workers=1, max_queue=0)
    channel = running.channel()
    block = channel.unary_unary("/trial.Trial/Block")
    pending = block.future(b"", metadata=(("x-request-id", "gone"),))
    assert trial.entered.acquire(timeout=10)
    assert not pending.done()
    channel.close()
    assert trial.abandoned.wait(10)
    trial.release.set()
    until(lambda: running.log.calls("CANCELLED"))
    assert running.log.calls("CANCELLED")[0]["request_id"] == "gone"
    until(lambda: running.parts.workers.held == 0)
    with running.channel() as other:
        assert other.unary_unary("/trial.Trial/Remark")(b"hi", timeout=10) == b"hi"


def test_a_thousand_silent_connections_neither_stop_the_service_nor_stay(
    spawn: Spawn, authority: Authority
) -> None:
    few_files = ("prlimit", "--nofile=256:8192")
    server = spawn(
        *few_files, service="saudacao", tls_directory=authority.folder, handshake_timeout=4
    )
    port = server.ready()
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(1000)
        ]
        with dial(authority.config(port)) as channel:
            assert greet(channel) == "Olá, Leonardo!"
        silent[-1].settimeout(20)
        assert silent[-1].recv(1) == b""
    with dial(authority.config(port)) as channel:
        assert greet(channel) == "Olá, Leonardo!"


def test_clients_at_work_are_not_disturbed_by_a_hostile_one(
    pki: Authority, channel: Any, server: Running
) -> None:
    replies: list[str] = []

    def work(config: Config) -> None:
        with dial(config) as own:
            replies.extend(greet(own) for _ in range(50))

    thread = threading.Thread(target=work, args=(pki.config(server.port),))
    thread.start()
    call = channel.unary_unary(METHOD)
    while thread.is_alive():
        refusal(call, b"\xff")
    assert replies == ["Olá, Leonardo!"] * 50
