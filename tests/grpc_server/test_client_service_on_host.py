"""The client as a service of its own, here on the host of the server that it calls."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.grpc_server.conftest import Deployment
from tests.grpc_server.host import wait_for
from tests.grpc_server.test_role import HIGHEST_EXPOSURE, changed

PLAYBOOK = "client.yml"
UNIT = "saudacao-client.service"


def play(deployment: Deployment, *options: str) -> int:
    """Run the role; return how many tasks changed something."""
    archive = str(deployment.archive)
    output = deployment.play(*options, playbook=PLAYBOOK, grpc_client_release_archive=archive)
    return changed(output, deployment.host.instance)


def status(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        deployment.host.run("cat /run/saudacao-client/status.json").stdout
    )
    return found


def failures(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the failed calls that the client's journal tells of since it began to count."""
    since = status(deployment)["since"]
    text = deployment.host.run(f"journalctl --sync; journalctl --unit={UNIT} --output=cat").stdout
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "call" and line["time"] >= since]


@pytest.fixture(scope="module")
def client(deployed: Deployment) -> Iterator[Deployment]:
    """The host with the client, which was only checked before; other tests have no use for it."""
    host = deployed.host
    assert play(deployed, "--check", "--diff") > 0
    assert host.run("getent passwd saudacao-client", check=False).stdout == ""
    assert play(deployed) > 0
    yield deployed
    host.run(f"systemctl disable --now {UNIT}")


def test_a_second_run_changes_nothing(client: Deployment) -> None:
    assert play(client) == 0


def test_the_client_calls_through_switches_and_has_nothing_to_complain_of(
    client: Deployment, deployment: Deployment, second: str
) -> None:
    host = deployment.host
    wait_for(lambda: status(client)["calls"] > 0, "the client calls")
    before = status(client)
    host.ask("switch", second)
    host.ask("confirm", second)
    wait_for(lambda: host.has_ended(deployment.release), "the old release has ended")
    wait_for(lambda: status(client)["releases"].get(second, 0) > 20, "the new one is called")
    after = status(client)
    assert after["failed"] == before["failed"]
    assert after["wrong"] == 0
    assert after["since"] == before["since"]
    assert min(kind["calls"] for kind in after["connections"].values()) > 10


def test_a_failure_is_a_line_in_the_journal_and_counted(
    client: Deployment, deployment: Deployment
) -> None:
    host = deployment.host
    before = status(client)
    host.run(f"systemctl stop saudacao@{deployment.release}")
    wait_for(lambda: status(client)["failed"] > before["failed"], "a call has failed")
    deployment.use(deployment.release)
    healed = status(client)["failed"]
    wait_for(lambda: status(client)["calls"] > healed + before["calls"], "it calls on")
    assert "UNAVAILABLE" in {line["status"] for line in failures(client)}
    # A connection that waits before it tries again fails a few more.
    wait_for(lambda: len(failures(client)) == status(client)["failed"], "each failure has a line")


def test_the_client_is_sandboxed_and_its_key_is_its_own(client: Deployment) -> None:
    report = client.host.run(f"systemd-analyze security --no-pager {UNIT}").stdout
    score = re.search(r"Overall exposure level.*: ([0-9.]+)", report)
    assert score
    assert float(score[1]) <= HIGHEST_EXPOSURE
    modes = client.host.run(
        "stat -c '%a %U %G' /etc/saudacao-client/tls /etc/saudacao-client/tls/client.key"
    ).stdout
    assert modes.splitlines() == ["750 root saudacao-client", "640 root saudacao-client"]
