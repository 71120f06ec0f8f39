"""A load balancer of the cloud under test, its hosts and its callers."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.localcloud.guests import Guest, leaves_by, until
from tests.localcloud.stacks import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

TEMPLATE = (Path(__file__).parent / "balancer.yaml").read_text()

PORT = 80
# Says its name and whom it sees; is ready unless told otherwise. Connections stay open.
SERVER = """#!/bin/sh
cat > /srv/server.py <<'END'
import http.server, os, socket
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        unready = self.path == "/ready" and os.path.exists("/run/unready")
        said = f"{socket.gethostname()} {self.client_address[0]}".encode()
        self.send_response(503 if unready else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
END
systemd-run --unit=web python3 /srv/server.py
"""


@dataclass(frozen=True)
class Answer:
    """Who answered a call, and whom it took for the caller."""

    host: str
    caller: str


class Connection:
    """A connection through the balancer that stays open."""

    def __init__(self, address: str) -> None:
        device = leaves_by(address)
        assert device.startswith("lc-"), f"{address} is routed to {device!r}"
        self._client = http.client.HTTPConnection(address, PORT, timeout=2)
        self._client.connect()
        # Closed means closed: the next request must not silently open another one.
        self._client.auto_open = 0

    def ask(self) -> Answer:
        """Return who answers."""
        self._client.request("GET", "/")
        return Answer(*self._client.getresponse().read().decode().split())

    def is_reset(self) -> bool:
        """Send something that needs no answer, and say whether the connection is gone."""
        link = self._client.sock
        link.settimeout(0.3)
        try:
            link.send(b"x")
            link.recv(1)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return False

    def close(self) -> None:
        """End it."""
        self._client.close()


@dataclass(frozen=True)
class Balancer:
    """A load balancer with one target group."""

    api: Any
    address: str
    arn: str
    targets: str
    hosts: tuple[Guest, ...] = ()

    def connection(self) -> Connection:
        """Open a connection."""
        return Connection(self.address)

    def connection_to(self, host: Guest) -> Connection:
        """Open a connection that a certain host answers."""
        while True:
            connection = self.connection()
            if connection.ask().host == name(host):
                return connection
            connection.close()

    def call(self) -> Answer:
        """Call once, on a fresh connection."""
        connection = self.connection()
        answer = connection.ask()
        connection.close()
        return answer

    def answering(self) -> set[str]:
        """Return the hosts that answer a few calls."""
        return {self.call().host for _ in range(6)}

    def register(self, *hosts: Guest) -> None:
        """Put hosts into the target group."""
        targets: Any = [{"Id": host.instance_id} for host in hosts]
        self.api.register_targets(TargetGroupArn=self.targets, Targets=targets)

    def deregister(self, host: Guest) -> None:
        """Take a host out of the target group."""
        targets: Any = [{"Id": host.instance_id}]
        self.api.deregister_targets(TargetGroupArn=self.targets, Targets=targets)

    def health(self, host: Guest) -> tuple[str, str]:
        """Return a host's state and reason."""
        found = self.api.describe_target_health(
            TargetGroupArn=self.targets, Targets=[{"Id": host.instance_id}]
        )["TargetHealthDescriptions"]
        [one] = found
        return one["TargetHealth"]["State"], one["TargetHealth"].get("Reason", "")

    def until_health(self, host: Guest, state: str, reason: str = "", seconds: float = 30) -> None:
        """Wait until a host is in a state for a reason."""
        what = f"{host.instance_id} is {state} {reason}"
        until(lambda: self.health(host) == (state, reason), what, seconds)

    def until_answering(self, *hosts: Guest) -> None:
        """Wait until calls reach exactly these hosts."""
        names = {name(host) for host in hosts}
        until(lambda: self._answers() == names, f"{names} answer", 10)

    def _answers(self) -> set[str]:
        """Return the hosts that answer; none when a connection is refused meanwhile."""
        try:
            return self.answering()
        except ConnectionRefusedError:
            return set()

    def set(self, key: str, value: str) -> None:
        """Change an attribute of the target group."""
        attributes: Any = [{"Key": key, "Value": value}]
        self.api.modify_target_group_attributes(TargetGroupArn=self.targets, Attributes=attributes)


def name(host: Guest) -> str:
    """Return what a host calls itself."""
    return f"ip-{host.private.replace('.', '-')}"


@contextmanager
def deployed(
    cloudformation: "CloudFormationClient", stack_name: str, subnets: list[Any]
) -> Iterator[Stack]:
    """Deploy a load balancer over two zones, and remove it in the end."""
    ids = ",".join(one["SubnetId"] for one in subnets[:2])
    stack = Stack(cloudformation, stack_name, TEMPLATE, Vpc=subnets[0]["VpcId"], Subnets=ids)
    stack.delete()
    assert stack.create() == "CREATE_COMPLETE", "\n".join(stack.reasons())
    yield stack
    stack.delete()
