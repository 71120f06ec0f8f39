"""A call that is being handled ends, however its release is ended; one that hangs is ended."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from tests.grpc_server import archives
from tests.grpc_server.conftest import SERVER_NAME, Deployment
from tests.grpc_server.host import wait_for

RELEASE = "0.6.0-slow"


@pytest.fixture
def slow(deployed: Deployment) -> str:
    """A release whose calls take two seconds."""
    return deployed.install(archives.slow(deployed.archive, RELEASE))


def _channel(deployment: Deployment) -> grpc.Channel:
    folder = deployment.folder / "certificates"
    files = [(folder / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")]
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    address = f"{deployment.host.address}:50051"
    credentials = grpc.ssl_channel_credentials(*files)
    return grpc.secure_channel(address, credentials, options)


@contextmanager
def _call_in_progress(deployment: Deployment) -> Iterator["grpc.Future[bytes]"]:
    """Have the server handle a call that takes two seconds; it is half done in the block."""
    with _channel(deployment) as channel:
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


def test_a_release_that_hangs_is_ended_and_started_again(deployment: Deployment, slow: str) -> None:
    deployment.use(slow)
    restarts = f"systemctl show saudacao@{slow} --property=NRestarts --value"
    before = int(deployment.host.run(restarts).stdout)
    with _channel(deployment) as channel:
        hang: Any = channel.unary_unary("/slow.Slow/Hang", bytes, bytes).future(b"", timeout=60)
        wait_for(lambda: int(deployment.host.run(restarts).stdout) > before, "a new start")
        assert hang.exception(timeout=10) is not None
        wait = channel.unary_unary("/slow.Slow/Wait", bytes, bytes)
        assert wait(b"done", timeout=30, wait_for_ready=True) == b"done"
