"""Security groups, Elastic IPs and private addresses are enforced on real packets."""

import subprocess
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Cloud
from tests.localcloud.conftest import Launch
from tests.localcloud.guests import Guest, describe, dial, leaves_by, until

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

PORT = 8080
CLOSED = 8081


@pytest.fixture(scope="module")
def group(ec2: "EC2Client") -> str:
    return new_group(ec2, "web")


def new_group(ec2: "EC2Client", name: str) -> str:
    for old in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])[
        "SecurityGroups"
    ]:
        ec2.delete_security_group(GroupId=old["GroupId"])
    return ec2.create_security_group(GroupName=name, Description=name)["GroupId"]


@pytest.fixture(scope="module")
def server(launch: Launch, group: str) -> Guest:
    host = launch(group).ready()
    host.serve(PORT)
    host.serve(CLOSED)
    return host


@pytest.fixture(scope="module")
def client_group(ec2: "EC2Client") -> str:
    return new_group(ec2, "client")


@pytest.fixture(scope="module")
def client(launch: Launch, client_group: str) -> Guest:
    return launch(client_group).ready()


@pytest.fixture
def second_outsider(cloud: Cloud) -> Iterator[str]:
    address = f"{cloud.octets}.255.2"
    link = leaves_by(f"{cloud.octets}.200.1")
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", link], check=True)
    yield address
    subprocess.run(["ip", "address", "del", f"{address}/32", "dev", link], check=True)


def allow(ec2: "EC2Client", group: str, port: int, block: str) -> None:
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=block
    )


def revoke(ec2: "EC2Client", group: str, port: int, block: str) -> None:
    ec2.revoke_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=block
    )


def test_a_port_that_no_rule_opens_times_out(server: Guest) -> None:
    assert dial(server.public, CLOSED) == "timeout"


def test_a_rule_opens_a_port_and_its_end_closes_it(
    ec2: "EC2Client", cloud: Cloud, server: Guest, group: str
) -> None:
    assert dial(server.public, PORT) == "timeout"
    allow(ec2, group, PORT, f"{cloud.operator}/32")
    until(lambda: dial(server.public, PORT) == "open", "the port opens", 10)
    revoke(ec2, group, PORT, f"{cloud.operator}/32")
    until(lambda: dial(server.public, PORT) == "timeout", "the port closes", 10)


def test_a_rule_for_one_source_keeps_another_out(
    ec2: "EC2Client", server: Guest, group: str, second_outsider: str
) -> None:
    allow(ec2, group, PORT, f"{second_outsider}/32")
    until(
        lambda: dial(server.public, PORT, second_outsider) == "open", "the second source passes", 10
    )
    assert dial(server.public, PORT) == "timeout"
    revoke(ec2, group, PORT, f"{second_outsider}/32")


def test_a_rule_by_group_lets_its_members_in_by_their_private_address(
    ec2: "EC2Client", server: Guest, client: Guest, group: str, client_group: str
) -> None:
    assert client.dial(server.private, PORT) == "timeout"
    permission: Any = {
        "IpProtocol": "tcp",
        "FromPort": PORT,
        "ToPort": PORT,
        "UserIdGroupPairs": [{"GroupId": client_group}],
    }
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    until(lambda: client.dial(server.private, PORT) == "open", "the member passes", 10)
    assert client.dial(server.private, CLOSED) == "timeout"
    assert client.dial(server.public, PORT) == "timeout", "AWS matches groups by private address"
    assert dial(server.public, PORT) == "timeout"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])


def test_a_host_calls_another_public_address_from_its_own(
    ec2: "EC2Client", server: Guest, client: Guest, group: str
) -> None:
    allow(ec2, group, PORT, f"{client.public}/32")
    until(lambda: client.dial(server.public, PORT) == "open", "the public caller passes", 10)
    revoke(ec2, group, PORT, f"{client.public}/32")


def test_egress_rules_limit_what_a_host_may_call(
    ec2: "EC2Client", server: Guest, client: Guest, group: str
) -> None:
    allow(ec2, group, PORT, "0.0.0.0/0")
    until(lambda: client.dial(server.private, PORT) == "open", "everybody passes", 10)
    everything: Any = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    groups = group_ids(ec2, client)
    for one in groups:
        ec2.revoke_security_group_egress(GroupId=one, IpPermissions=everything)
    try:
        until(lambda: client.dial(server.private, PORT) == "timeout", "the way out closes", 10)
    finally:
        for one in groups:
            ec2.authorize_security_group_egress(GroupId=one, IpPermissions=everything)
        revoke(ec2, group, PORT, "0.0.0.0/0")


def group_ids(ec2: "EC2Client", guest: Guest) -> list[str]:
    return [group["GroupId"] for group in describe(ec2, guest.instance_id)["SecurityGroups"]]


def test_private_addresses_have_no_route_from_this_machine(server: Guest) -> None:
    assert leaves_by(server.private) == ""


def test_hosts_cannot_reach_this_machine_or_the_world(cloud: Cloud, client: Guest) -> None:
    assert client.dial("127.0.0.1", cloud.port) == "refused"
    assert client.dial(cloud.operator, cloud.port) in ("timeout", "refused")
    program = "import socket; socket.create_connection(('192.0.2.1', 53), 2)"
    assert "unreachable" in client.ssh(f'python3 -c "{program}"').stderr


def answers(guest: Guest) -> bool:
    return guest.ssh("true").returncode == 0


def test_an_elastic_ip_moves_from_one_host_to_another(
    ec2: "EC2Client", server: Guest, client: Guest
) -> None:
    address = ec2.allocate_address()
    allocation = address["AllocationId"]
    for host in (server, client):
        ec2.associate_address(
            AllocationId=allocation, InstanceId=host.instance_id, AllowReassociation=True
        )
        reached = Guest(
            *(ec2, host.instance_id, address["PublicIp"]),
            *(host.private, host.key, host.known_hosts),
        )
        until(partial(answers, reached), "the address reaches it", 15)
    ec2.disassociate_address(
        AssociationId=ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0][
            "AssociationId"
        ]
    )
    ec2.release_address(AllocationId=allocation)
