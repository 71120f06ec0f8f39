"""Starting and stopping a cloud: locks, leftovers, the daemon in the background."""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localcloud import engine, image, network
from localcloud.commands import exclusive
from localcloud.errors import LocalCloudError
from localcloud.image import Progress
from localcloud.settings import RUN_ROOT, Settings, read

_TOOLS = {
    "podman": "runs the hosts",
    "conmon": "watches the hosts",
    "nft": "enforces security groups",
    "ip": "builds the network",
    "sysctl": "sets the router up",
    "mmdebstrap": "builds the hosts' image",
}
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


def check_machine() -> None:
    """Check that a cloud can run here.

    Raises:
        LocalCloudError: Says what is missing, why it is needed and the command to type.

    """
    if sys.platform != "linux":
        raise LocalCloudError("The local cloud needs Linux: run this repository in a Linux VM.")
    if os.geteuid() != 0:
        raise LocalCloudError(
            "The local cloud needs root: it creates network namespaces and containers with"
            " systemd in them. Type: sudo make local-up"
        )
    missing = [f"{tool} ({why})" for tool, why in _TOOLS.items() if not shutil.which(tool)]
    if not shutil.which(engine.runtime()):
        missing.append("runc or crun (starts the hosts)")
    if missing:
        raise LocalCloudError(
            f"The local cloud lacks {', '.join(missing)}."
            " Type: sudo make local-up, which installs what it needs"
        )


def _operation(settings: Settings) -> contextlib.AbstractContextManager[None]:
    return exclusive(RUN_ROOT / f"{settings.name}.lock")


def daemon_pid(settings: Settings) -> int | None:
    """Return the process id of the cloud's daemon, or None when it does not live."""
    try:
        with settings.daemon_lock.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(settings.daemon_lock.read_text() or 0) or None
    return None


def is_running(settings: Settings) -> bool:
    """Say whether the cloud's daemon lives."""
    return daemon_pid(settings) is not None


def _state_file(settings: Settings) -> Path:
    return settings.run_directory / "cloud.json"


def _recorded(settings: Settings) -> Settings:
    """Return the settings that the cloud of this name was started with."""
    try:
        known = json.loads(_state_file(settings).read_text())
    except FileNotFoundError:
        return settings
    return read({f"LOCALCLOUD_{key.upper()}": value for key, value in known["settings"].items()})


def _record(settings: Settings) -> None:
    settings.run_directory.mkdir(parents=True, exist_ok=True)
    unfinished = _state_file(settings).with_suffix(".new")
    plain = {key: str(value) for key, value in asdict(settings).items()}
    unfinished.write_text(json.dumps({"settings": plain}))
    unfinished.replace(_state_file(settings))


def _check_port_is_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError as error:
            raise LocalCloudError(
                f"The port {settings.port} is in use on 127.0.0.1."
                " Choose another: LOCALCLOUD_PORT=4666"
            ) from error


def _answers(settings: Settings) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.client.OK
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def up(settings: Settings, progress: Progress) -> None:
    """Start the cloud, or find it running; return when its API answers.

    Raises:
        LocalCloudError: It cannot run here, runs with other settings, or its daemon failed.

    """
    check_machine()
    with _operation(settings):
        if is_running(settings):
            _reuse(settings)
        else:
            _start(settings, progress)


def _reuse(settings: Settings) -> None:
    running = _recorded(settings)
    if running != settings:
        raise LocalCloudError(
            f"The local cloud {settings.name!r} already runs with port {running.port} and network"
            f" {running.network}. Stop it first: sudo make local-down"
        )
    _wait_until_ready(settings, None)


def _start(settings: Settings, progress: Progress) -> None:
    _clean(_recorded(settings), progress)
    network.check_range_is_free(settings)
    _check_port_is_free(settings)
    image_name = image.ensure(settings, progress)
    progress(f"Starting the local cloud {settings.name!r} on {settings.network} ...")
    _record(settings)
    daemon = None
    try:
        network.create(settings)
        daemon = _spawn(settings, image_name)
        _wait_until_ready(settings, daemon)
    except BaseException:
        if daemon:
            daemon.kill()
            daemon.wait()
        _clean(settings, progress)
        raise
    progress(f"The local cloud {settings.name!r} answers at {settings.endpoint}")


def _spawn(settings: Settings, image_name: str) -> "subprocess.Popen[bytes]":
    search = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    environment = {
        **os.environ,
        **{f"LOCALCLOUD_{key.upper()}": str(value) for key, value in asdict(settings).items()},
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
    }
    with (settings.run_directory / "log").open("wb") as log:
        return subprocess.Popen(
            (sys.executable, "-m", "localcloud.daemon", image_name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=environment,
        )


def _wait_until_ready(settings: Settings, daemon: "subprocess.Popen[bytes] | None") -> None:
    end = time.monotonic() + _START_SECONDS
    while not (is_running(settings) and _answers(settings)):
        if daemon is not None and daemon.poll() is not None:
            raise LocalCloudError(
                f"The local cloud {settings.name!r} did not start: its daemon ended with exit code"
                f" {daemon.returncode} after these lines:\n{_last_lines(settings)}"
            )
        if time.monotonic() > end:
            raise LocalCloudError(
                f"The local cloud {settings.name!r} does not answer at {settings.endpoint} after"
                f" {_START_SECONDS:.0f} s; its last lines:\n{_last_lines(settings)}"
            )
        time.sleep(0.1)


def _last_lines(settings: Settings) -> str:
    return "\n".join((settings.run_directory / "log").read_text().splitlines()[-15:])


def down(settings: Settings, progress: Progress) -> None:
    """Stop the cloud and remove everything of it; a cloud that is not there is no error.

    Raises:
        LocalCloudError: Something could not be removed.

    """
    check_machine()
    with _operation(settings):
        known = _recorded(settings)
        if is_running(known):
            progress(f"Stopping the local cloud {known.name!r} ...")
            _stop_daemon(known)
        _clean(known, progress)


def _stop_daemon(settings: Settings) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = daemon_pid(settings)
        if pid is None:
            return
        os.kill(pid, number)
        end = time.monotonic() + _STOP_SECONDS
        while is_running(settings) and time.monotonic() < end:
            time.sleep(0.05)


def _clean(settings: Settings, progress: Progress) -> None:
    """Remove what a daemon that no longer runs has left."""
    names = engine.host_names(settings)
    if names:
        progress(f"Removing {len(names)} host(s) of the local cloud {settings.name!r} ...")
        engine.remove_all(settings)
    network.remove(settings)
    shutil.rmtree(settings.run_directory, ignore_errors=True)


def status(settings: Settings) -> dict[str, Any]:
    """Describe the cloud: state, endpoint, pid, addresses and hosts.

    Anybody may ask; the hosts are None for all but root, who alone sees containers.
    """
    known = _recorded(settings)
    pid = daemon_pid(known)
    return {
        "name": known.name,
        "state": "running" if pid else "stopped",
        "endpoint": known.endpoint,
        "network": str(known.network),
        "operator_address": str(known.operator_address),
        "pid": pid,
        "log": str(known.run_directory / "log"),
        "hosts": sorted(engine.host_names(known)) if os.geteuid() == 0 else None,
    }


def purge(settings: Settings, progress: Progress) -> None:
    """Stop every cloud of this machine and remove storage, image and cache.

    Raises:
        LocalCloudError: Something could not be removed.

    """
    check_machine()
    names = {path.stem for path in RUN_ROOT.glob("*.lock")} | {settings.name}
    for name in sorted(names):
        down(read({"LOCALCLOUD_NAME": name}), progress)
    progress("Removing the hosts' image, storage and cache ...")
    image.purge()
