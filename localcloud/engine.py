"""Hosts as podman containers, in a storage of our own that no other podman sees."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from localcloud.commands import CommandError, run, succeeds
from localcloud.settings import RUN_ROOT, STORAGE_ROOT, Settings

_CONFIG = RUN_ROOT / "containers.conf"
_CAPABILITIES = "SYS_ADMIN,NET_ADMIN,SYS_PTRACE,SYS_BOOT,SYS_NICE"
_CONSOLE_LIMIT = "4mb"
_CONSOLE_SHOWN = 65536


@dataclass(frozen=True)
class State:
    """What podman says about a host.

    Attributes:
        status: created, running, exited, ... and "missing" when there is no such container.
        pid: Process id of its init, 0 when it does not run.
        exit_code: How init ended.

    """

    status: str
    pid: int = 0
    exit_code: int = 0


def runtime() -> str:
    """Choose the OCI runtime: crun fails under hybrid cgroups, and is the default elsewhere."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    order = ("crun", "runc") if unified else ("runc", "crun")
    return next((name for name in order if which(name)), order[0])


def _write_config() -> None:
    manager = "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs"
    RUN_ROOT.mkdir(parents=True, exist_ok=True)
    _CONFIG.write_text(
        "[engine]\n"
        f'cgroup_manager = "{manager}"\n'
        'events_logger = "none"\n'
        'lock_type = "file"\n'
        f'tmp_dir = "{RUN_ROOT}/libpod"\n'
        "[network]\n"
        f'network_config_dir = "{RUN_ROOT}/networks"\n'
    )


def command(*arguments: str) -> tuple[str, ...]:
    """Return the podman command line that works on our storage."""
    if not _CONFIG.exists():
        _write_config()
    os.environ["CONTAINERS_CONF"] = str(_CONFIG)
    storage = ("--root", f"{STORAGE_ROOT}/storage", "--runroot", f"{RUN_ROOT}/storage")
    return ("podman", *storage, "--runtime", runtime(), *arguments)


def podman(*arguments: str, timeout: float = 60) -> str:
    """Run podman on our storage and return what it printed."""
    return run(*command(*arguments), timeout=timeout)


def image_exists(image: str) -> bool:
    """Say whether our storage has an image."""
    return succeeds(*command("image", "exists", image))


def on_disk(container: str) -> bool:
    """Say whether a container, named by its id, has its disk; asks no podman, so it is quick."""
    return any((STORAGE_ROOT / "storage").glob(f"*-containers/{container}"))


def cpu_seconds(container: str) -> float:
    """Return the processor time that a running container, named by its id, has used so far."""
    groups = Path("/sys/fs/cgroup")
    for usage in groups.glob(f"cpuacct/*/libpod-{container}*/cpuacct.usage"):
        return int(usage.read_text()) / 1e9
    for statistics in groups.glob(f"*/libpod-{container}*/cpu.stat"):
        found = dict(line.split() for line in statistics.read_text().splitlines())
        return int(found["usage_usec"]) / 1e6
    return 0.0


def create(settings: Settings, instance_id: str, host_name: str, image: str) -> str:
    """Create the container of a host in its namespace, not started; return its id.

    nofile and nproc stay below what a nested machine lets root raise.
    """
    console = settings.console(instance_id)
    console.parent.mkdir(parents=True, exist_ok=True)
    printed = podman(
        *("create", "--tty", "--name", instance_id, "--label", f"localcloud={settings.name}"),
        *("--network", f"ns:/run/netns/{settings.namespace(instance_id)}"),
        *("--hostname", host_name, "--dns", "none", "--no-hosts"),
        *("--systemd", "always", "--stop-timeout", "10"),
        *("--cap-add", _CAPABILITIES, "--security-opt", "seccomp=unconfined"),
        *("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"),
        *("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"),
        *("--log-driver", "k8s-file", "--log-opt", f"path={console}"),
        *("--log-opt", f"max-size={_CONSOLE_LIMIT}"),
        *(image, "/sbin/init"),
    )
    return printed.strip()


def start(instance_id: str) -> None:
    """Boot a host."""
    podman("start", instance_id)


def stop(instance_id: str) -> None:
    """Shut a host down as its power button would; after 10 s it is cut off."""
    podman("stop", "--time", "10", instance_id)


def remove(instance_id: str) -> None:
    """Remove a host and its disk; a missing one is no error."""
    podman("rm", "--force", "--ignore", "--time", "1", instance_id)


def inspect(instance_id: str) -> State:
    """Ask podman about one host."""
    try:
        [found] = json.loads(podman("container", "inspect", instance_id))
    except CommandError:
        return State("missing")
    state = found["State"]
    return State(state["Status"], state["Pid"], state["ExitCode"])


def host_names(settings: Settings) -> list[str]:
    """List the containers that carry this cloud's label."""
    label = f"label=localcloud={settings.name}"
    return podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()


def remove_all(settings: Settings) -> None:
    """Remove every container that carries this cloud's label."""
    names = host_names(settings)
    if names:
        podman("rm", "--force", "--ignore", "--time", "0", *names)


def console(settings: Settings, instance_id: str) -> bytes:
    """Return the last 64 KiB that a host printed, also when it is gone."""
    path = settings.console(instance_id)
    if not path.exists():
        return b""
    # Each line: time, stream, F for a whole line or P for a part of one, what was printed.
    lines = re.findall(rb"^\S+ \S+ ([FP]) ?(.*)$", path.read_bytes(), re.MULTILINE)
    printed = b"".join(content + (b"\n" if flag == b"F" else b"") for flag, content in lines)
    return printed[-_CONSOLE_SHOWN:]
