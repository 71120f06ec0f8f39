"""A call that is being handled ends, however the release that handles it is ended."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from tests.grpc_server import archives
from tests.grpc_server.conftest import SERVER_NAME, Deployment

RELEASE = "0.6.0-slow"


@pytest.fixture
def slow(deployed: Deployment) -> str:
    """A release whose calls take two seconds."""
    return deployed.install(archives.slow(deployed.archive, RELEASE))


@contextmanager
def _call_in_progress(deployment: Deployment) -> Iterator["grpc.Future[bytes]"]:
    """Have the server handle a call that takes two seconds; it is half done in the block."""
    folder = deployment.folder / "certificates"
    files = [(folder / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")]
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    address = f"{deployment.host.address}:50051"
    credentials = grpc.ssl_channel_credentials(*files)
    with grpc.secure_channel(address, credentials, options) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        call = channel.unary_unary("/slow.Slow/Wait", bytes, bytes).future(b"done", timeout=10)
        time.sleep(0.5)
        yield call


def test_systemctl_stop_lets_a_call_in_progress_end(deployment: Deployment, slow: str) -> None:
    deployment.use(slow)
    with _call_in_progress(deployment) as call, ThreadPoolExecutor() as pool:
        stop = pool.submit(deployment.host.run, f"systemctl stop saudacao@{slow}")
        assert call.result() == b"done"
        assert stop.result().returncode == 0


def test_a_reboot_lets_a_call_in_progress_end(deployment: Deployment, slow: str) -> None:
    deployment.use(slow)
    with _call_in_progress(deployment) as call, ThreadPoolExecutor() as pool:
        reboot = pool.submit(deployment.host.reboot)
        assert call.result() == b"done"
        assert reboot.result() < 30


def test_a_switch_lets_a_call_in_progress_end(deployment: Deployment, slow: str) -> None:
    deployment.use(slow)
    with _call_in_progress(deployment) as call:
        deployment.host.ask("switch", deployment.release)
        deployment.host.ask("confirm", deployment.release)
        assert call.result() == b"done"
