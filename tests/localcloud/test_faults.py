"""Trouble that a test makes: calls that are refused, and an API that hosts cannot reach."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Cloud
from tests.localcloud.conftest import Launch, connection
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
    # One connection that stays open, and asks again when it is told to.
    host.run(
        "sudo tee /tmp/asks.py >/dev/null <<'END'\n"
        "import http.client, sys, urllib.parse\n"
        "url = urllib.parse.urlsplit(open('/etc/localcloud-endpoint').read().strip())\n"
        "api = http.client.HTTPConnection(url.netloc, timeout=2)\n"
        "for _ in sys.stdin:\n"
        "    try:\n"
        "        api.request('GET', '/_ministack/health')\n"
        "        print(api.getresponse().read() and 'answered', flush=True)\n"
        "    except OSError: print('silent', flush=True)\n"
        "END"
    )
    fresh = "curl -s -m 2 -o /dev/null -w %{http_code} $(cat /etc/localcloud-endpoint)/health"
    asking = f"echo | python3 /tmp/asks.py; {fresh} || true"
    assert host.run(asking).split() == ["answered", "200"]
    cloud.command("fault", "outage")
    assert host.run(asking).split() == ["silent", "000"]
    cloud.command("fault", "none")
    assert host.run(asking).split() == ["answered", "200"]


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
