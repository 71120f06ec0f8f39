"""Trouble that a test makes: calls that are refused, and an API that hosts cannot reach."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.faults import Faults
from tests.conftest import Cloud
from tests.localcloud.conftest import Launch, connection
from tests.localcloud.guests import until
from tests.localcloud.test_command_line import command

GROUP = "/localcloud-faults"


@pytest.fixture
def logs(cloud: Cloud) -> Iterator[Any]:
    """A client that asks once only, as the tests want to see each refusal."""
    once: Any = Config(retries={"total_max_attempts": 1})
    client: Any = boto3.client("logs", config=once, **connection(cloud))
    client.create_log_group(logGroupName=GROUP)
    yield client
    cloud.command("fault", "none")
    client.delete_log_group(logGroupName=GROUP)


def outcome(logs: Any, stream: str) -> tuple[str, int]:
    try:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return str(error.response["Error"]["Code"]), status
    return "done", 200


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("throttle", ("ThrottlingException", 400)),
        ("break", ("ServiceUnavailableException", 503)),
    ],
)
@pytest.mark.parametrize("calls", ["logs:CreateLogStream", "logs:*"])
def test_calls_are_refused_until_the_fault_is_gone(
    cloud: Cloud, logs: Any, kind: str, expected: tuple[str, int], calls: str
) -> None:
    shown = cloud.command("fault", kind, calls).stdout
    assert json.loads(shown) == {"outage": False, "calls": {calls: kind}}
    assert outcome(logs, "one") == expected
    cloud.command("fault", "none")
    assert outcome(logs, "one") == ("done", 200)


def test_other_calls_are_answered_meanwhile(cloud: Cloud, logs: Any) -> None:
    cloud.command("fault", "throttle", "logs:PutLogEvents", "ssm:*")
    assert outcome(logs, "one") == ("done", 200)


def test_hosts_reach_the_api_no_more_while_it_is_out(
    cloud: Cloud, logs: Any, launch: Launch
) -> None:
    assert logs
    host = launch().ready()
    # One connection that stays open, and one line for each time that it asks.
    program = (
        "import http.client, time, urllib.parse\n"
        "url = urllib.parse.urlsplit(open('/etc/localcloud-endpoint').read().strip())\n"
        "api = http.client.HTTPConnection(url.netloc, timeout=2)\n"
        "api.connect()\n"
        "while True:\n"
        "    api.sock.sendall(b'GET /_ministack/health HTTP/1.1\\r\\nHost: api\\r\\n\\r\\n')\n"
        "    print(api.sock.recv(65536)[:15].decode(), flush=True)\n"
        "    time.sleep(0.2)\n"
    )
    host.run(f"tee asks.py >/dev/null <<'END'\n{program}END")
    host.run("sudo systemd-run --quiet --unit=asks python3 $PWD/asks.py")
    asked = "journalctl --unit=asks --output=cat --quiet"
    fresh = "curl -s -m 2 -o /dev/null -w %{http_code} $(cat /etc/localcloud-endpoint)/health"
    until(lambda: "HTTP/1.1 200" in host.run(f"sudo {asked}"), "the connection is open")
    assert host.run(fresh) == "200"
    cloud.command("fault", "outage")
    assert host.run(f"{fresh} || true") == "000"
    until(lambda: "TimeoutError" in host.run(f"sudo {asked}"), "the open connection is silent")
    cloud.command("fault", "none")
    assert host.run(fresh) == "200"


@pytest.mark.parametrize(("client", "status"), [("10.0.0.7", 503), ("127.0.0.1", 200)])
def test_what_a_host_sent_just_before_the_outage_is_refused(client: str, status: int) -> None:
    answered = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def ask(method: str, path: str, body: bytes = b"") -> None:
        async def receive() -> dict[str, Any]:
            return {"body": body}

        async def send(message: dict[str, Any]) -> None:
            answered.append(message.get("status"))

        scope = {"type": "http", "method": method, "path": path, "client": (client, 1)}
        await asked({**scope, "headers": []}, receive, send)

    faults = Faults(lambda _: None, lambda scope: scope["client"][0] != "127.0.0.1")
    asked = faults.before(application)
    asyncio.run(ask("PUT", "/_localcloud/faults", b'{"outage": true}'))
    answered.clear()
    asyncio.run(ask("POST", "/"))
    assert answered[0] == status


@pytest.mark.parametrize(
    "arguments", [("throttle",), ("outage", "logs:*"), ("none", "logs:*"), ("slow", "logs:*")]
)
def test_a_fault_that_makes_no_sense_is_an_error(arguments: tuple[str, ...]) -> None:
    done = command("fault", *arguments, LOCALCLOUD_NAME="nobody")
    assert done.returncode != 0
    assert "localcloud fault" in done.stderr


def test_a_cloud_that_does_not_run_has_no_faults() -> None:
    done = command("fault", "outage", LOCALCLOUD_NAME="nobody")
    assert done.returncode == 1
    assert "does not run. Type: sudo make local-up" in done.stderr
