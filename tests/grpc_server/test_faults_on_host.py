"""What the host makes of kill -9, reboots, a flushed ruleset and a stop, at the worst moments."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.grpc_server.calling import call_once, calling
from tests.grpc_server.conftest import Deployment
from tests.grpc_server.host import Host, wait_for

GREETING = "Olá, Leonardo!"
FILES = ["ca.crt", "server.crt", "server.key"]
# Where a switch is killed: what it calls at that moment is replaced by the kill.
STAGES = {
    "while the new release starts": ("instances", "start"),
    "before the new release is enabled": ("instances", "enable"),
    "before the map file is replaced": ("mapping", "write"),
    "before the map is loaded": ("mapping", "load"),
}


def _killed_switch(host: Host, release: str, module: str, function: str) -> None:
    """Run a switch that gets SIGKILL at the moment that it calls a function."""
    owner = "Instances" if module == "instances" else module
    killer = f"{owner}.{function} = lambda *arguments: os.kill(os.getpid(), 9)"
    _killed(host, killer, "switch", release, "--confirm-within", "3")


def _killed(host: Host, killer: str, *arguments: str) -> None:
    """Run grpc-switch after a statement that has it get SIGKILL somewhere."""
    source = f"""
import os, pathlib, sys
sys.path.insert(0, '/usr/local/lib/grpc-switch')
from grpc_switch import mapping
from grpc_switch.instances import Instances
from grpc_switch.__main__ import main
os.environ['GRPC_SWITCH_INSIDE'] = '1'
{killer}
sys.exit(main({list(arguments)}))
"""
    result = host.run(f"python3 - <<'END'\n{source}\nEND", check=False)
    assert result.returncode == 137, result


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_switch_is_put_in_order_without_help(
    deployment: Deployment, second: str, stage: str
) -> None:
    host = deployment.host
    with calling(deployment.client) as calls:
        _killed_switch(host, second, *STAGES[stage])
        wait_for(lambda: host.ask("status")["settled"], "the host is at rest")
        wait_for(partial(host.has_ended, second), "the new release has ended")
    assert calls.lost == []
    assert host.ask("status")["release"] == deployment.release
    assert host.ask("switch", second)["release"] == second
    assert host.ask("confirm", second)["provisional"] is False


@pytest.mark.parametrize("stage", STAGES)
def test_a_reboot_in_a_killed_switch_brings_up_a_release_that_serves(
    deployment: Deployment, second: str, stage: str
) -> None:
    host = deployment.host
    host.run("systemctl mask --runtime saudacao-watch")
    _killed_switch(host, second, *STAGES[stage])
    host.reboot()
    wait_for(lambda: call_once(deployment.client) == GREETING, "the host greets again")
    wait_for(lambda: host.ask("status")["settled"], "the host is at rest")
    assert host.ask("status")["release"] == deployment.release


def test_a_pair_of_certificates_that_a_kill_left_half_is_finished(deployment: Deployment) -> None:
    host, tls = deployment.host, "/etc/saudacao/tls"
    host.run(f"cp -a {tls} {tls}.staged")
    killer = """
rename = pathlib.Path.rename
def rename_or_die(path, target):
    if target.name == 'server.key':
        os.kill(os.getpid(), 9)
    return rename(path, target)
pathlib.Path.rename = rename_or_die
"""
    _killed(host, killer, "certificates")
    left = f"ls {tls}.taken || ls {tls}"
    wait_for(lambda: host.run(left).stdout.split() == FILES, "the pair is whole again", 20)
    assert call_once(deployment.client) == GREETING


def test_a_reboot_before_the_confirmation_still_ends_in_the_old_release(
    deployment: Deployment, second: str
) -> None:
    deployment.host.ask("switch", second, "--confirm-within", 8)
    deployment.host.reboot()
    wait_for(lambda: deployment.host.ask("status")["settled"], "the host is at rest")
    assert deployment.host.ask("status")["release"] == deployment.release
    assert call_once(deployment.client) == GREETING


def test_a_reboot_is_not_held_up_by_a_drain(deployment: Deployment, second: str) -> None:
    host = deployment.host
    with calling(deployment.client):
        host.ask("switch", second)
        host.ask("confirm", second)
        seconds = host.reboot()
    assert seconds < 15
    wait_for(lambda: call_once(deployment.client) == GREETING, "the host greets again")
    assert host.ask("status")["release"] == second


def test_a_flushed_ruleset_is_restored(deployment: Deployment) -> None:
    deployment.host.run("nft flush ruleset")
    wait_for(lambda: deployment.host.ask("status")["map"]["equals_file"], "it is loaded again", 3)
    assert call_once(deployment.client) == GREETING


def test_two_switches_at_once_do_not_overlap(deployment: Deployment, second: str) -> None:
    releases = [second, deployment.release, second, deployment.release]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda release: deployment.host.ask("switch", release), releases))
    assert {answer["release"] for answer in answers} == {second, deployment.release}
    assert deployment.host.ask("status")["map"]["equals_file"]
    assert call_once(deployment.client) == GREETING


def test_a_cut_connection_does_not_stop_a_switch(deployment: Deployment, second: str) -> None:
    host = deployment.host
    key = ["-i", str(host.folder / "ssh_key"), *host.ssh_options]
    command = ["ssh", *key, f"ec2-user@{host.address}", f"sudo grpc-switch switch {second}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as session:
        wait_for(lambda: host.state(second) != "inactive", "the switch has begun")
        host.run("pkill -KILL -x systemd-run")
        session.kill()
    wait_for(lambda: host.ask("status")["release"] == second, "the switch is done", 20)
    assert host.ask("confirm", second)["release"] == second
