"""What strikes a fleet while clients call through its balancer, and what comes of it."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos import faults
from tests.chaos.client import Client, Seen
from tests.chaos.scene import Fault, Scene
from tests.e2e.environment import Environment
from tests.e2e.fleet import Hosts, until

# Without retries, one client for each kind of connection. Calls over a connection of their own cost
# more: they are fewer.
PROBE = ("--json", "--progress", "0.25", "--duration", "1800", "--timeout", "5")
PERSISTENT = (*PROBE, "--concurrency", "6", "--rate", "40")
FRESH = (*PROBE, "--concurrency", "4", "--rate", "10", "--fresh")
# With the retries of client.toml, half of them over each kind.
ROBUST_RATE = 20
# Calls of each client before something strikes, and while what it has left lasts.
CALM = 60
CALM_SECONDS = 60.0
WEAK_SECONDS = 60.0
WHOLE_SECONDS = 400.0
REST_SECONDS = 200.0
# Percent of its processors that a host takes when it is called as often as it can.
CPU_TARGET = 4
CPU_SECONDS = 420.0
BUSY = ("--duration", "900", "--concurrency", "16", "--json")


def _terminate(scene: Scene) -> None:
    scene.host.ec2.terminate_instances(InstanceIds=[scene.host.instance])


def _resize(hosts: int) -> Fault:
    def strike(scene: Scene) -> None:
        _provision(scene.environment, stack_desired_size=hosts)

    return Fault(f"site.yml -e stack_desired_size={hosts}", strike)


def _provision(environment: Environment, **variables: int) -> None:
    environment.playbook("playbooks/provision.yml", "--extra-vars", json.dumps(variables))


def _hang_old(scene: Scene) -> None:
    """Hang a server whose host is older than the time that new ones get to become ready."""
    hosts = Hosts(scene.environment)
    grace = hosts.grace(0)
    try:
        faults.stop_server(scene)
        leaves = "the host that hangs has to leave"
        until(lambda: scene.host.instance not in hosts.staying(), leaves, WEAK_SECONDS)
    finally:
        hosts.grace(grace)


def _scale_by_cpu(scene: Scene) -> None:
    """Have the group follow its load, once that of hosts which were new has passed."""
    hosts = Hosts(scene.environment)
    until(lambda: hosts.cpu() < CPU_TARGET / 2, "the hosts are idle", CPU_SECONDS)
    _provision(scene.environment, stack_cpu_target=CPU_TARGET, stack_max_size=3)


def _be_busy(scene: Scene) -> None:
    hosts = Hosts(scene.environment)
    load = scene.environment.start("saudacao-client", *BUSY)
    try:
        until(lambda: hosts.wanted == 3, "the alarm asks for a third host", CPU_SECONDS)
    finally:
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=30)


def _be_idle(scene: Scene) -> None:
    """Say that the hosts have been idle for long, as a quarter of an hour would."""
    hosts = Hosts(scene.environment)
    until(lambda: hosts.alarm("High")["StateValue"] == "OK", "the load is over", CPU_SECONDS)

    def has_shrunk() -> bool:
        """Say it again: the alarm looks for itself, and the policy rests for a while."""
        hosts.cloudwatch.set_alarm_state(
            AlarmName=hosts.alarm("Low")["AlarmName"], StateValue="ALARM", StateReason="a test"
        )
        return hosts.wanted == 2

    until(has_shrunk, "the alarm asks for two hosts", CPU_SECONDS)


@dataclass(frozen=True)
class FleetRow:
    """One thing that happens to a fleet.

    `weakens` says that a host takes no calls for a while; `loses`, that calls without retries may
    fail, which are in the hands of a host at that moment or come before the balancer has noticed.
    `retried` says that none fails with retries. `short` rows are part of every run with --fleet.
    """

    fault: Fault
    weakens: bool = True
    loses: bool = True
    retried: bool = True
    short: bool = False

    @property
    def name(self) -> str:
        """Name the row."""
        return self.fault.name


KILL = Fault("kill -9 of a server", faults.OLD_SERVER.strike)
HANG = Fault("a server hangs on a host that is still new", faults.stop_server)
HANG_OLD = Fault("a server hangs on a host that is not", _hang_old)
# In this order: what replaces hosts comes after what strikes those that are there.
FLEET_ROWS = (
    # Every other connection is refused: a call may meet that each time, or have no budget left.
    FleetRow(KILL, retried=False, short=True),
    FleetRow(faults.DISK_FULL, weakens=False, loses=False),
    FleetRow(HANG, retried=False),
    FleetRow(HANG_OLD, retried=False),
    # Likewise, until the balancer has noticed.
    FleetRow(faults.REBOOT, retried=False),
    FleetRow(Fault("stop of an instance", faults.STOP.strike)),
    FleetRow(Fault("termination of an instance", _terminate), short=True),
    FleetRow(_resize(3), weakens=False, loses=False),
    FleetRow(_resize(2), weakens=False, loses=False),
    FleetRow(
        Fault("load, with stack_cpu_target", _be_busy, prepare=_scale_by_cpu),
        weakens=False,
        loses=False,
    ),
    FleetRow(Fault("no load, with stack_cpu_target", _be_idle), weakens=False, loses=False),
)


@dataclass(frozen=True)
class FleetOutcome:
    """What came of a row: the calls of each client, and the seconds to full strength."""

    name: str
    persistent: Seen
    fresh: Seen
    robust: dict[str, dict[str, int]]
    strength_seconds: float
    came: int
    left: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class FleetDeployment:
    """The fleet that the rows share; what one row leaves is what the next one strikes."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment, self._folder = environment, folder
        environment.playbook("playbooks/provision.yml", "playbooks/deploy.yml")
        self._hosts = Hosts(environment)

    def run(self, row: FleetRow) -> FleetOutcome:
        """Strike while clients call, and wait until the fleet is at rest again by itself."""
        hosts = self._hosts
        until(hosts.are_at_rest, "the fleet is at rest before the row", REST_SECONDS)
        victim, before = hosts.oldest(), hosts.staying()
        release = victim.ask("status")["release"]
        scene = Scene(self._environment, victim, release, self._folder)
        row.fault.prepare(scene)
        server = victim.servers(release)
        clients = Clients(self._environment, self._folder)
        try:
            clients.call()
            struck = time.monotonic()
            row.fault.strike(scene)
            if row.weakens:
                until(
                    lambda: victim.servers(release) != server or not hosts.are_whole(),
                    "a host takes no calls",
                    WEAK_SECONDS,
                )
            until(hosts.are_whole, "as many hosts as before take calls", WHOLE_SECONDS)
            seconds = time.monotonic() - struck
            until(hosts.are_at_rest, "the fleet is at rest", REST_SECONDS)
            clients.call()
        finally:
            row.fault.mend(scene)
            seen = clients.stop()
        after = hosts.staying()
        return FleetOutcome(
            name=row.name,
            **seen,
            strength_seconds=round(seconds, 1),
            came=len(after - before),
            left=len(before - after),
        )


class Clients:
    """The clients of a row: two that do not try again, and one that does."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._robust = _Robust(environment, folder)
        self._probes = {
            "persistent": Client(environment, PERSISTENT),
            "fresh": Client(environment, FRESH),
        }

    def call(self) -> None:
        """Wait until each has made some calls more."""
        self._robust.await_calls(CALM, CALM_SECONDS)
        for client in self._probes.values():
            client.await_calls(CALM, CALM_SECONDS)

    def stop(self) -> dict[str, Any]:
        """End them and return what each has seen."""
        seen: dict[str, Any] = {kind: client.stop() for kind, client in self._probes.items()}
        return seen | {"robust": self._robust.stop()}


class _Robust:
    """The client that a fleet runs as a service, here on the control node: it tries again."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._file = folder / "robust.json"
        self._file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "saudacao.canary", "--rate", str(ROBUST_RATE)),
                *("--config", environment.state / "client.toml", "--status-file", self._file),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def await_calls(self, more: int, seconds: float) -> None:
        """Wait for so many more calls."""
        until(self._file.exists, "the client that tries again has begun", seconds)
        before = self._read()["calls"]
        until(lambda: self._read()["calls"] >= before + more, f"{more} calls", seconds)

    def stop(self) -> dict[str, dict[str, int]]:
        """End it and return what it has counted, by the kind of connection."""
        self._process.terminate()
        self._process.wait(30)
        counted: dict[str, dict[str, int]] = self._read()["connections"]
        return counted

    def _read(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self._file.read_text())
        return status
