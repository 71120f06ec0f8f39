"""Starting, crashing and stopping: on a cloud of its own that these tests may break."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy2
from typing import Any

import boto3
import pytest

from localcloud.engine import runtime
from tests.conftest import AS_TYPED, ROOT, Cloud
from tests.localcloud.conftest import PARAMETER, connection, other_cloud
from tests.localcloud.guests import leaves_by, output, until, until_state

FOREIGN = "lc-foreign"


@pytest.fixture(scope="module")
def breakable(cloud: Cloud) -> Iterator[Cloud]:
    mine = other_cloud(cloud, 1)
    mine.command("down")
    yield mine
    mine.command("down")


@pytest.fixture
def running(breakable: Cloud) -> Cloud:
    breakable.command("up")
    return breakable


def status(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cloud.command("status").stdout)
    return found


def launch(cloud: Cloud) -> str:
    ec2, ssm = boto3.client("ec2", **connection(cloud)), boto3.client("ssm", **connection(cloud))
    image = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    made = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)
    instance_id: str = made["Instances"][0]["InstanceId"]
    until_state(ec2, instance_id, "running")
    return instance_id


def traces(cloud: Cloud) -> list[str]:
    """Everything on this machine that names the cloud or its range."""
    seen = (
        output("ip", "netns", "list"),
        output("ip", "-o", "link"),
        output("ip", "route", "show", "table", "all"),
        output("ip", "-o", "-4", "address"),
        output("ps", "-eo", "args"),
    )
    words = (f"lc-{cloud.name}", f" {cloud.octets}.", f"/run/localcloud/{cloud.name}/")
    lines = (line for text in seen for line in text.splitlines())
    return [line for line in lines if any(word in line for word in words)]


def start(cloud: Cloud) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*AS_TYPED, sys.executable, "-m", "localcloud", "up"],
        cwd=ROOT,
        env=cloud.environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def fails(cloud: Cloud, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments],
        cwd=ROOT,
        env={**cloud.environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_up_says_what_it_does_and_answers_when_it_returns(breakable: Cloud) -> None:
    said = breakable.command("up").stderr
    assert f"answers at {breakable.endpoint}" in said
    assert status(breakable)["state"] == "running"


def test_up_while_it_runs_reuses_it(running: Cloud) -> None:
    before = status(running)["pid"]
    running.command("up")
    assert status(running)["pid"] == before


def test_two_ups_at_the_same_time_start_one_cloud(breakable: Cloud) -> None:
    breakable.command("down")
    both = [start(breakable), start(breakable)]
    said = [one.communicate(timeout=60)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum("Starting the local cloud" in text for text in said) == 1
    assert status(breakable)["state"] == "running"


def test_up_with_other_settings_is_refused(running: Cloud) -> None:
    said = fails(running, "up", LOCALCLOUD_PORT=str(running.port + 1))
    assert f"already runs with port {running.port}" in said


def test_a_killed_cloud_is_replaced_by_an_empty_one(running: Cloud) -> None:
    instance_id = launch(running)
    before = status(running)
    assert before["hosts"] == [instance_id]
    os.kill(before["pid"], signal.SIGKILL)
    assert leaves_by(f"{running.octets}.200.10") == f"lc-{running.name}"
    assert leaves_by(f"{running.octets}.100.1") == ""
    said = running.command("up").stderr
    assert "Removing 1 host(s)" in said
    assert status(running)["hosts"] == []
    assert not any(instance_id in line for line in traces(running))
    found = boto3.client("ec2", **connection(running)).describe_instances()
    assert found["Reservations"] == []


def test_without_its_wire_the_range_is_unreachable_not_the_gateways(running: Cloud) -> None:
    os.kill(status(running)["pid"], signal.SIGKILL)
    output("ip", "link", "delete", f"lc-{running.name}")
    for address in ("200.10", "255.1", "255.254", "0.4"):
        assert leaves_by(f"{running.octets}.{address}") == ""
    running.command("up")
    assert leaves_by(f"{running.octets}.200.10") == f"lc-{running.name}"


def test_down_leaves_nothing_and_twice_is_fine(running: Cloud) -> None:
    launch(running)
    running.command("down")
    assert traces(running) == []
    assert not Path(f"/run/localcloud/{running.name}").exists()
    running.command("down")


def test_an_interrupted_up_leaves_nothing(breakable: Cloud) -> None:
    breakable.command("down")
    starting = start(breakable)
    namespace = Path(f"/run/netns/lc-{breakable.name}")
    until(namespace.exists, "up has begun to build", 30)
    starting.send_signal(signal.SIGINT)
    starting.wait(60)
    assert starting.stderr
    starting.stderr.close()
    assert traces(breakable) == []


def test_a_range_that_the_machine_uses_is_refused(breakable: Cloud) -> None:
    breakable.command("down")
    output("ip", "route", "add", "unreachable", f"{breakable.octets}.7.0/24")
    try:
        said = fails(breakable, "up")
    finally:
        output("ip", "route", "delete", "unreachable", f"{breakable.octets}.7.0/24")
    assert f"The range {breakable.octets}.0.0/16 is in use" in said
    assert "LOCALCLOUD_NETWORK=" in said


def test_a_port_that_is_taken_is_refused(cloud: Cloud, breakable: Cloud) -> None:
    breakable.command("down")
    said = fails(breakable, "up", LOCALCLOUD_PORT=str(cloud.port))
    assert f"The port {cloud.port} is in use" in said
    assert traces(breakable) == []


def test_an_image_that_is_not_there_is_refused(breakable: Cloud) -> None:
    breakable.command("down")
    said = fails(breakable, "up", LOCALCLOUD_IMAGE="localhost/nothing:1")
    assert "localhost/nothing:1 is not in the local cloud's storage" in said
    assert traces(breakable) == []


def test_a_daemon_that_fails_shows_its_last_lines_and_leaves_nothing(
    breakable: Cloud, tmp_path: Path
) -> None:
    breakable.command("down")
    (tmp_path / "hypercorn.py").write_text("raise SystemExit('no luck today')\n")
    said = fails(breakable, "up", PYTHONPATH=str(tmp_path))
    assert "its daemon ended with exit code 1 after these lines:\nno luck today" in said
    assert traces(breakable) == []


@pytest.fixture
def foreign(breakable: Cloud, tmp_path: Path) -> Iterator[None]:
    """What somebody else runs here: a container with our label, a namespace, a firewall table."""
    for file in ("/bin/sleep", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        target = tmp_path / file.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        copy2(file, target)
    output(
        *("podman", "--runtime", runtime(), "run", "--detach", "--name", FOREIGN),
        *("--network", "none", "--label", f"localcloud={breakable.name}"),
        # Limits that a nested machine lets root set.
        *("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"),
        *("--rootfs", str(tmp_path), "/bin/sleep", "600"),
    )
    output("ip", "netns", "add", FOREIGN)
    output("nft", "add", "table", "inet", "foreign")
    yield
    output("podman", "rm", "--force", "--time", "0", FOREIGN)
    output("ip", "netns", "delete", FOREIGN)
    output("nft", "delete", "table", "inet", "foreign")


def neighbourhood() -> tuple[str, ...]:
    return (
        output(
            "podman", "inspect", "--format", "{{.Id}} {{.State.Status}} {{.State.Pid}}", FOREIGN
        ),
        output("podman", "network", "ls"),
        output("nft", "list", "table", "inet", "foreign"),
        str("localcloud" in output("nft", "list", "tables")),
        output("sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter"),
        str(FOREIGN in output("ip", "netns", "list")),
    )


@pytest.mark.usefixtures("foreign")
def test_what_others_run_here_is_not_touched(breakable: Cloud) -> None:
    before = neighbourhood()
    breakable.command("up")
    launch(breakable)
    assert neighbourhood() == before
    os.kill(status(breakable)["pid"], signal.SIGKILL)
    breakable.command("up")
    breakable.command("down")
    assert neighbourhood() == before


PURGE = """
    set -ex
    for folder in /run /var/lib /var/cache; do mount -t tmpfs none $folder; done
    mkdir -p /var/lib/containers /var/cache/localcloud "$1/etc/networks"
    cp -r /etc/containers/. "$1/etc"
    mount --bind "$1/etc" /etc/containers
    touch /var/lib/containers/mine /var/cache/localcloud/old.tar /etc/containers/networks/mine
    "$2" -c 'import sys; from localcloud import engine; engine.podman("import", *sys.argv[1:])' \
        "$1/image.tar" localhost/any:1
    test -d /var/lib/localcloud/storage/overlay
    "$2" -m localcloud purge
    for folder in /run /var/lib /var/cache; do test ! -e $folder/localcloud; done
    ls /var/lib/containers/mine /etc/containers/networks/mine
"""


def test_purge_removes_storage_and_cache_and_nothing_of_podmans_own(tmp_path: Path) -> None:
    """In a mount namespace of its own, so that the other clouds of this machine live on."""
    output("tar", "--create", "--file", str(tmp_path / "image.tar"), "--files-from", "/dev/null")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", PURGE, "sh", str(tmp_path), sys.executable],
        cwd=ROOT,
        env={**os.environ, "LOCALCLOUD_NAME": "nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["/etc/containers/networks/mine", "/var/lib/containers/mine"]
