"""The faults: each is prepared before a deployment, struck in the middle of it, and mended."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.host import Host, Process
from tests.e2e.environment import Environment

CUT_SECONDS = 30
MEBIBYTE = 1024 * 1024
# What a release may still take of memory once the pressure is on.
SPARE = 2 * MEBIBYTE
CUT = """
table inet chaos {{
  chain comes {{ type filter hook prerouting priority -350; tcp dport {port} drop; }}
  chain leaves {{ type filter hook output priority -350; tcp sport {port} drop; }}
}}
"""


@dataclass
class Scene:
    """What a fault can reach: the deployment that runs, its host, and the two releases."""

    environment: Environment
    host: Host
    old: str
    folder: Path
    new: str = ""
    deployment: subprocess.Popen[bytes] | None = None
    cuts: list[subprocess.Popen[bytes]] = field(default_factory=list)


def _nothing(_: Scene) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """One fault: what is made ready before the deployment, what happens, and what ends it."""

    name: str
    strike: Callable[[Scene], None]
    prepare: Callable[[Scene], None] = _nothing
    mend: Callable[[Scene], None] = _nothing


def _kill(processes: list[Process], number: signal.Signals = signal.SIGKILL) -> None:
    assert processes, "there is no such process at this moment: the fault did not strike"
    for process in processes:
        process.kill(number)


def _kill_ansible(scene: Scene) -> None:
    assert scene.deployment
    os.killpg(scene.deployment.pid, signal.SIGKILL)


def _cut(port: int) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        rules = CUT.format(port=port)
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


def _small_disk(path: str, mebibytes: int) -> Callable[[Scene], None]:
    """Put what is in a folder onto a disk of its own, in memory and of bounded size."""

    def prepare(scene: Scene) -> None:
        scene.host.shell(
            f"mount -t tmpfs -o size={mebibytes}m,mode=$(stat -c %a {path}) chaos /mnt;"
            f"cp -a {path}/. /mnt/; mount --move /mnt {path}"
        )

    return prepare


def _fill(path: str) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        folder = scene.host.path(path)
        room = os.statvfs(folder)
        assert room.f_blocks * room.f_frsize < 4096 * MEBIBYTE, "this is not the small disk"
        with (folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, room.f_bfree * room.f_frsize)

    return strike


def _large_disk(path: str) -> Callable[[Scene], None]:
    """Take the filler away, and put what is new in the folder onto the host's disk.

    What is there already stays: a server that runs from it has it mapped.
    """

    def mend(scene: Scene) -> None:
        scene.host.shell(
            f"rm -f {path}/filler; mount --bind / /mnt; cp -an {path}/. /mnt{path}/;"
            f"umount /mnt; umount --lazy {path}"
        )

    return mend


def disk_full(path: str, mebibytes: int) -> Fault:
    """Leave no byte free in a folder, which gets a small disk of its own for that."""
    return Fault(
        f"no room left in {path}",
        prepare=_small_disk(path, mebibytes),
        strike=_fill(path),
        mend=_large_disk(path),
    )


def _press(scene: Scene) -> None:
    [server] = scene.host.servers(scene.new)
    words = Path(f"/proc/{server.pid}/statm").read_text().split()
    size = int(words[0]) * os.sysconf("SC_PAGE_SIZE") + SPARE
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--as={size}"], check=True)


def _fetch_libfaketime(folder: Path) -> Path:
    """Unpack Debian's libfaketime beside the test; nothing is installed on this machine."""
    subprocess.run(["apt-get", "download", "--quiet=2", "libfaketime"], cwd=folder, check=True)
    [package] = folder.glob("libfaketime_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder / "libfaketime"], check=True)
    return next((folder / "libfaketime").rglob("libfaketime.so.1"))


def _own_clock(scene: Scene) -> None:
    library = _fetch_libfaketime(scene.folder)
    scene.host.path("/usr/lib/libfaketime.so.1").write_bytes(library.read_bytes())
    scene.host.path("/etc/saudacao/clock").write_text("+0\n")
    units = scene.host.path("/etc/systemd/system/saudacao@.service.d")
    units.mkdir()
    (units / "clock.conf").write_text(
        "[Service]\n"
        "Environment=LD_PRELOAD=/usr/lib/libfaketime.so.1\n"
        "Environment=FAKETIME_TIMESTAMP_FILE=/etc/saudacao/clock FAKETIME_CACHE_DURATION=1\n"
        "Environment=FAKETIME_DONT_FAKE_MONOTONIC=1\n"
    )
    scene.host.shell("systemctl daemon-reload")


def _jump(offset: str) -> Callable[[Scene], None]:
    return lambda scene: _write(scene.host.path("/etc/saudacao/clock"), f"{offset}\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _common_clock(scene: Scene) -> None:
    scene.host.shell(
        "rm -r /etc/systemd/system/saudacao@.service.d; systemctl daemon-reload;"
        "echo +0 > /etc/saudacao/clock"
    )


def clock_jump(offset: str, words: str) -> Fault:
    """Let the service alone see another time; its monotonic clock goes on, as in a real jump."""
    return Fault(words, prepare=_own_clock, strike=_jump(offset), mend=_common_clock)


ANSIBLE = Fault("kill -9 of ansible-playbook and all its processes", _kill_ansible)
PROGRAM = Fault("kill -9 of grpc-switch", lambda scene: _kill(scene.host.switch_programs()))
OLD_SERVER = Fault("kill -9 of the old server", lambda scene: _kill(scene.host.servers(scene.old)))
NEW_SERVER = Fault("kill -9 of the new server", lambda scene: _kill(scene.host.servers(scene.new)))
HUNG_SERVER = Fault(
    "the new server hangs",
    lambda scene: _kill(scene.host.servers(scene.new), signal.SIGSTOP),
)
SESSION = Fault("kill -9 of sshd's sessions", lambda scene: _kill(scene.host.sessions()))
REBOOT = Fault("reboot of the host", _reboot)
STOP = Fault("stop and start of the instance", _stop, mend=_start)
SSH_CUT = Fault(f"no SSH for {CUT_SECONDS} s", _cut(22), mend=_await_cuts)
CLIENT_CUT = Fault(f"no calls get through for {CUT_SECONDS} s", _cut(50051), mend=_await_cuts)
MEMORY = Fault("no memory left for the new server", _press)
OPT_FULL = disk_full("/opt", 1500)
STATE_FULL = disk_full("/var/lib/saudacao", 1)
TMP_FULL = disk_full(str(Path("/", "tmp")), 1)
DAY_LATER = clock_jump("+1d", "the new server's clock jumps a day ahead")
DAY_EARLIER = clock_jump("-1d", "the new server's clock jumps a day back")
