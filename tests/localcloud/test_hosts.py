"""Instances are real hosts, and their states are true."""

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from localcloud.engine import command
from tests.localcloud.conftest import Launch
from tests.localcloud.guests import Guest, describe, state, until, until_state

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

BOOTED_AT = "stat -c %Y /proc/1"
USER_DATA = "#!/bin/sh\necho ran >> /var/log/user-data-runs\n"


@pytest.fixture(scope="module")
def host(launch: Launch) -> Guest:
    return launch(UserData=USER_DATA).ready()


def booted_at(host: Guest) -> str:
    return host.run(BOOTED_AT)


def booted_anew(host: Guest, before: str) -> bool:
    """Ask once: a host may go between two questions."""
    answer = host.ssh(BOOTED_AT)
    return answer.returncode == 0 and answer.stdout.strip() != before


def test_a_host_answers_ssh_within_seconds(launch: Launch) -> None:
    begin = time.monotonic()
    launch().ready()
    # Under 3 s on an idle machine; here the other tests keep it busy.
    assert time.monotonic() - begin < 60


def test_a_host_runs_systemd_without_a_failed_unit(host: Guest) -> None:
    assert host.run("systemctl is-system-running --wait") == "running"
    assert host.run("cat /proc/1/comm") == "systemd"


def test_the_key_pair_opens_ec2_user_with_sudo(host: Guest) -> None:
    assert host.run("whoami; sudo whoami") == "ec2-user\nroot"


def test_the_host_has_the_address_and_name_of_its_record(host: Guest) -> None:
    assert f"inet {host.private}/20 " in host.run("ip -4 address show eth0")
    assert host.run("hostname") == f"ip-{host.private.replace('.', '-')}"


def test_user_data_runs_once_and_the_disk_survives_stop_and_start(
    ec2: "EC2Client", host: Guest
) -> None:
    host_key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub")
    address = ec2.allocate_address()
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=host.instance_id)
    ec2.stop_instances(InstanceIds=[host.instance_id])
    until_state(ec2, host.instance_id, "stopped")
    assert describe(ec2, host.instance_id)["PrivateIpAddress"] == host.private
    ec2.start_instances(InstanceIds=[host.instance_id])
    until_state(ec2, host.instance_id, "running")
    again = Guest(
        *(ec2, host.instance_id, address["PublicIp"], host.private, host.key, host.known_hosts)
    )
    until(lambda: again.ssh("true").returncode == 0, "the host answers after start")
    again.run("cloud-init status --wait")
    assert again.run("cat /var/log/user-data-runs") == "ran"
    assert again.run("cat /etc/ssh/ssh_host_ed25519_key.pub") == host_key
    ec2.disassociate_address(AssociationId=describe_association(ec2, address["AllocationId"]))
    ec2.release_address(AllocationId=address["AllocationId"])


def describe_association(ec2: "EC2Client", allocation: str) -> str:
    return ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]["AssociationId"]


@pytest.fixture(scope="module")
def second(launch: Launch) -> Guest:
    return launch().ready()


def test_reboot_starts_the_host_anew_and_keeps_it_running(ec2: "EC2Client", second: Guest) -> None:
    before = booted_at(second)
    ec2.reboot_instances(InstanceIds=[second.instance_id])
    until(lambda: booted_anew(second, before), "rebooted")
    assert state(ec2, second.instance_id) == "running"


def test_a_reboot_from_inside_is_a_reboot(ec2: "EC2Client", second: Guest) -> None:
    before = booted_at(second)
    second.ssh("sudo systemctl reboot")
    until(lambda: booted_anew(second, before), "rebooted")
    assert state(ec2, second.instance_id) == "running"


def test_poweroff_from_inside_is_a_stopped_instance(ec2: "EC2Client", second: Guest) -> None:
    second.ssh("sudo systemctl poweroff")
    until_state(ec2, second.instance_id, "stopped")
    found = describe(ec2, second.instance_id)
    assert found["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert not found.get("PublicIpAddress")


def test_a_stopped_instance_cannot_be_rebooted(ec2: "EC2Client", second: Guest) -> None:
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.reboot_instances(InstanceIds=[second.instance_id])


def test_a_host_destroyed_behind_its_back_is_terminated(ec2: "EC2Client", launch: Launch) -> None:
    lost = launch()
    subprocess.run(command("rm", "-f", "-t", "0", lost.instance_id), check=True)
    until_state(ec2, lost.instance_id, "terminated")
    reason = describe(ec2, lost.instance_id)["StateReason"]
    assert reason["Code"] == "Server.InternalError"
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[lost.instance_id])


def test_a_stopped_host_destroyed_behind_its_back_is_terminated(
    ec2: "EC2Client", launch: Launch
) -> None:
    lost = launch()
    ec2.stop_instances(InstanceIds=[lost.instance_id])
    until_state(ec2, lost.instance_id, "stopped")
    subprocess.run(command("rm", "-f", "-t", "0", lost.instance_id), check=True)
    until_state(ec2, lost.instance_id, "terminated")


def test_a_terminated_host_is_gone_and_its_elastic_ip_is_free(
    ec2: "EC2Client", launch: Launch
) -> None:
    doomed = launch()
    address = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=doomed.instance_id)
    ec2.terminate_instances(InstanceIds=[doomed.instance_id])
    until_state(ec2, doomed.instance_id, "terminated")
    gone = subprocess.run(command("container", "exists", doomed.instance_id), check=False)
    assert gone.returncode == 1
    assert "InstanceId" not in ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    ec2.release_address(AllocationId=address)
