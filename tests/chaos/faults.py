"""The faults: each is prepared before a deployment, struck in the middle of it, and mended."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.chaos.clock import clock_jump
from tests.chaos.disks import disk_full
from tests.chaos.host import Process
from tests.chaos.scene import Fault, Scene
from tests.e2e.environment import BIN

CUT_SECONDS = 30
# As on the wire: before the host sees what comes, and after it has translated what leaves.
CUT = """
table inet chaos {{
  chain comes {{ type filter hook prerouting priority -350; tcp dport {{ {ports} }} drop; }}
  chain leaves {{ type filter hook postrouting priority 350; tcp sport {{ {ports} }} drop; }}
}}
"""
SSH, SERVICE = 22, 50051
# What a release may still take of memory once the pressure is on.
SPARE = 2 * 1024 * 1024
# The name for which the suite's service has a handler that never ends.
HANGS_FOR = "Pendura"
# More than a server takes at a time, those that wait included.
EVERY_HANDLER = 300


def _kill(processes: list[Process], number: signal.Signals = signal.SIGKILL) -> None:
    assert processes, "there is no such process at this moment: the fault did not strike"
    for process in processes:
        process.kill(number)


def stop_server(scene: Scene) -> None:
    """Stop the server that takes calls: it neither answers nor ends."""
    _kill(scene.host.servers(scene.old), signal.SIGSTOP)


def _kill_ansible(scene: Scene) -> None:
    assert scene.deployment
    os.killpg(scene.deployment.pid, signal.SIGKILL)


def _kill_units(scene: Scene) -> None:
    scene.host.shell("systemctl kill --signal=KILL saudacao-guard saudacao-watch")


def _hang(scene: Scene, handlers: int) -> None:
    """Have handlers of the server that takes new calls never end; their callers give up."""
    options = ("--json", "--timeout", "2", "--concurrency", str(handlers))
    result = subprocess.run(
        [BIN / "saudacao-client", *options, *[HANGS_FOR] * handlers],
        env=scene.environment.process_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    seen: dict[str, int] = json.loads(result.stdout)["by_status"]
    assert "DEADLINE_EXCEEDED" in seen, f"no handler hangs: {seen}"
    assert handlers == 1 or "RESOURCE_EXHAUSTED" in seen, f"some handlers are free: {seen}"


def _hang_one(scene: Scene) -> None:
    _hang(scene, 1)


def _hang_all(scene: Scene) -> None:
    _hang(scene, EVERY_HANDLER)


def _cut(*ports: int) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        rules = CUT.format(ports=", ".join(map(str, ports)))
        script = f"nft '{rules}' && sleep {CUT_SECONDS}; nft delete table inet chaos"
        command = scene.host.enter("sh", "-c", script, only=("--net",))
        scene.cuts.append(subprocess.Popen(command))

    return strike


def _await_cuts(scene: Scene) -> None:
    for cut in scene.cuts:
        assert cut.wait(CUT_SECONDS + 30) == 0


def _reboot(scene: Scene) -> None:
    scene.host.ec2.reboot_instances(InstanceIds=[scene.host.instance])


def _stop(scene: Scene) -> None:
    scene.host.ec2.stop_instances(InstanceIds=[scene.host.instance])


def _start(scene: Scene) -> None:
    """Start the instance, as a person does who finds it stopped; the stop may still go on."""
    instances = [scene.host.instance]
    scene.host.ec2.get_waiter("instance_stopped").wait(
        InstanceIds=instances, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    scene.host.ec2.start_instances(InstanceIds=instances)


def _press(scene: Scene) -> None:
    [server] = scene.host.servers(scene.new)
    words = Path(f"/proc/{server.pid}/statm").read_text().split()
    size = int(words[0]) * os.sysconf("SC_PAGE_SIZE") + SPARE
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--as={size}"], check=True)


ANSIBLE = Fault("kill -9 of ansible-playbook and all its processes", _kill_ansible)
PROGRAM = Fault("kill -9 of grpc-switch", lambda scene: _kill(scene.host.switch_programs()))
UNITS = Fault("kill -9 of the guard and of the watch", _kill_units)
OLD_SERVER = Fault("kill -9 of the old server", lambda scene: _kill(scene.host.servers(scene.old)))
NEW_SERVER = Fault("kill -9 of the new server", lambda scene: _kill(scene.host.servers(scene.new)))
HUNG_SERVER = Fault(
    "the new server hangs",
    lambda scene: _kill(scene.host.servers(scene.new), signal.SIGSTOP),
)
HUNG_HANDLER_BEFORE = Fault("a handler of the old server hangs", _hang_one)
HUNG_HANDLER = Fault("a handler of the new server hangs", _hang_one)
HUNG_HANDLERS = Fault("all handlers of the new server hang", _hang_all)
SESSION = Fault("kill -9 of sshd's sessions", lambda scene: _kill(scene.host.sessions()))
REBOOT = Fault("reboot of the host", _reboot)
STOP = Fault("stop and start of the instance", _stop, mend=_start)
SSH_CUT = Fault(f"no SSH for {CUT_SECONDS} s", _cut(SSH), mend=_await_cuts)
CLIENT_CUT = Fault(f"no calls get through for {CUT_SECONDS} s", _cut(SERVICE), mend=_await_cuts)
HOST_CUT = Fault(
    f"neither SSH nor calls get through for {CUT_SECONDS} s", _cut(SSH, SERVICE), mend=_await_cuts
)
MEMORY = Fault("no memory left for the new server", _press)
OPT_FULL = disk_full("no room left in /opt", {"opt": 1200})
VAR_FULL = disk_full("no room left in /var", {"var": 1})
TMP_FULL = disk_full("no room left in /tmp", {"tmp": 1})
DISK_FULL = disk_full(
    "no room left on the whole disk", {"opt": 1200, "var": 1, "tmp": 1, "etc/saudacao": 1}
)
DAY_LATER = clock_jump("the new server's clock jumps a day ahead", "+1d")
DAY_EARLIER = clock_jump("the new server's clock jumps a day back", "-1d")
