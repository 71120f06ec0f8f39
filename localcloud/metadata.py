"""The instance metadata service: IMDSv2 only, and cloud-init's NoCloud seed.

The caller is the instance that owns the source address; the router drops forged ones.
"""

import base64
import json
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import Any

from localcloud import network
from localcloud.credentials import Credentials
from localcloud.records import Record, state
from localcloud.seams import Emulator
from localcloud.settings import Settings

_SECONDS_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
_SESSION_HEADER = "X-aws-ec2-metadata-token"
_LONGEST = 21600
_VERSIONS = ("latest", "2021-03-23")
# Runs early at each boot, beside any user data.
_ENDPOINT_HOOK = "#cloud-boothook\n#!/bin/sh\necho {} > /etc/localcloud-endpoint\n"

Tree = dict[str, Any]


class Metadata:
    """What the service knows: instances by address, their data, the tokens it gave out."""

    def __init__(
        self,
        settings: Settings,
        emulator: Emulator,
        credentials: Credentials,
        target_state: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._emulator = emulator
        self._credentials = credentials
        self._target_state = target_state
        self._ec2 = emulator.ec2
        self._tokens: dict[str, tuple[str, float]] = {}

    def caller(self, address: str) -> tuple[tuple[str, str], Record] | None:
        """Return account and region and the record of the instance at a source address."""
        for (account, region, _), record in self._ec2._instances.all_items():
            if record["PrivateIpAddress"] == address and state(record) in ("pending", "running"):
                return (account, region), record
        return None

    def token(self, instance_id: str, seconds: int) -> str:
        """Give out a token that is good for one instance and a number of seconds."""
        token = secrets.token_urlsafe(40)
        self._tokens[token] = (instance_id, time.monotonic() + seconds)
        return token

    def accepts(self, token: str, instance_id: str) -> bool:
        """Say whether a token was given to this instance and is still good."""
        owner, end = self._tokens.get(token, ("", 0.0))
        return owner == instance_id and time.monotonic() < end

    def seed(self, scope: tuple[str, str], record: Record, name: str) -> bytes | None:
        """Return a file of cloud-init's NoCloud seed, or None when there is none of this name."""
        key = self._public_key(scope, record)
        files = {
            "meta-data": json.dumps(
                {
                    "instance-id": record["InstanceId"],
                    "local-hostname": record["PrivateDnsName"],
                    "public-keys": [key] if key else [],
                }
            ).encode(),
            "user-data": base64.b64decode(record.get("UserData") or ""),
            "vendor-data": _ENDPOINT_HOOK.format(self._settings.guest_endpoint).encode(),
        }
        return files.get(name)

    def read(self, scope: tuple[str, str], record: Record, path: str) -> bytes | None:
        """Return what a path shows, or None when there is nothing."""
        version, *steps = [step for step in path.split("?")[0].split("/") if step] or [""]
        if version not in _VERSIONS:
            return None
        node: Any = self._tree(scope, record)
        for step in steps:
            if not isinstance(node, dict) or step not in node:
                return None
            node = node[step]
        if callable(node):
            node = node()
        if isinstance(node, dict):
            return "\n".join(map(_entry, node.items())).encode()
        return node if isinstance(node, bytes) else str(node).encode()

    def _public_key(self, scope: tuple[str, str], record: Record) -> str:
        with self._emulator.responses.request_scope(*scope):
            pair = self._ec2._key_pairs.get(record.get("KeyName") or "")
        return str(pair["PublicKey"]) if pair else ""

    def _tree(self, scope: tuple[str, str], record: Record) -> Tree:
        account, region = scope
        tree: Tree = {
            "dynamic": {"instance-identity": {"document": _identity(account, region, record)}},
            "meta-data": self._meta_data(scope, record),
        }
        if record.get("UserData"):
            tree["user-data"] = base64.b64decode(record["UserData"])
        return tree

    def _meta_data(self, scope: tuple[str, str], record: Record) -> Tree:
        mac = network.mac(IPv4Address(record["PrivateIpAddress"]))
        tree: Tree = {
            "ami-id": record["ImageId"],
            "ami-launch-index": record["AmiLaunchIndex"],
            "hostname": record["PrivateDnsName"],
            "instance-id": record["InstanceId"],
            "instance-type": record["InstanceType"],
            "local-hostname": record["PrivateDnsName"],
            "local-ipv4": record["PrivateIpAddress"],
            "mac": mac,
            "network": {"interfaces": {"macs": {mac: _interface(mac, record)}}},
            "placement": {
                "availability-zone": record["Placement"]["AvailabilityZone"],
                "region": scope[1],
            },
            "reservation-id": f"r-{record['InstanceId'][2:]}",
            "security-groups": "\n".join(one["GroupName"] for one in record["SecurityGroups"]),
            "services": {"domain": "amazonaws.com", "partition": "aws"},
        }
        if role := self._credentials.role(scope, record):
            tree["iam"] = self._role(scope, record, role)
        if target := self._target_state(record["InstanceId"]):
            tree["autoscaling"] = {"target-lifecycle-state": target}
        if record["PublicIpAddress"]:
            tree["public-ipv4"] = record["PublicIpAddress"]
        if key := self._public_key(scope, record):
            tree["public-keys"] = {"0": {"openssh-key": key}}
        return tree

    def _role(self, scope: tuple[str, str], record: Record, role: str) -> Tree:
        profile = record["IamInstanceProfile"]
        info = {
            "Code": "Success",
            "InstanceProfileArn": profile["Arn"],
            "InstanceProfileId": profile["Id"],
        }
        keys = partial(self._credentials.document, scope, record["InstanceId"], role)
        return {"info": json.dumps(info, indent=2), "security-credentials": {role: keys}}


def _interface(mac: str, record: Record) -> Tree:
    return {
        "device-number": 0,
        "local-ipv4s": record["PrivateIpAddress"],
        "mac": mac,
        "security-group-ids": "\n".join(one["GroupId"] for one in record["SecurityGroups"]),
        "subnet-id": record["SubnetId"],
        "vpc-id": record["VpcId"],
    }


def _entry(item: tuple[str, Any]) -> str:
    name, value = item
    return f"{name}/" if isinstance(value, dict) else name


def _identity(account: str, region: str, record: Record) -> str:
    return json.dumps(
        {
            "accountId": account,
            "architecture": record["Architecture"],
            "availabilityZone": record["Placement"]["AvailabilityZone"],
            "imageId": record["ImageId"],
            "instanceId": record["InstanceId"],
            "instanceType": record["InstanceType"],
            "privateIp": record["PrivateIpAddress"],
            "region": region,
            "version": "2017-09-30",
        },
        indent=2,
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "MetadataServer"

    def log_message(self, *_: Any) -> None:
        """Say nothing: hosts ask all the time."""

    def do_PUT(self) -> None:
        caller = self.server.metadata.caller(self.client_address[0])
        seconds = self.headers.get(_SECONDS_HEADER, "")
        if caller is None or self.path != "/latest/api/token":
            self._answer(404)
        elif self.headers.get("X-Forwarded-For"):
            self._answer(403)
        elif not seconds.isdigit() or not 1 <= int(seconds) <= _LONGEST:
            self._answer(400)
        else:
            record = caller[1]
            # Only the token's way back is limited, as on AWS.
            self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, record["HopLimit"])
            token = self.server.metadata.token(record["InstanceId"], int(seconds))
            self._answer(200, token.encode(), {_SECONDS_HEADER: seconds})

    def do_GET(self) -> None:
        metadata = self.server.metadata
        caller = metadata.caller(self.client_address[0])
        if caller is None:
            self._answer(404)
            return
        scope, record = caller
        if self.path.startswith("/nocloud/"):
            found = metadata.seed(scope, record, self.path.removeprefix("/nocloud/"))
        elif not metadata.accepts(self.headers.get(_SESSION_HEADER, ""), record["InstanceId"]):
            self._answer(401)
            return
        else:
            found = metadata.read(scope, record, self.path)
        self._answer(404 if found is None else 200, found or b"")

    def _answer(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class MetadataServer(ThreadingHTTPServer):
    """Serves the metadata on a socket that already listens.

    Attributes:
        metadata: What it knows.

    """

    daemon_threads = True

    def __init__(self, listening: socket.socket, metadata: Metadata) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.metadata = metadata
