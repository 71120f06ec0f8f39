"""The ways to get from one release to the next: ours, and those that it is compared with."""

from dataclasses import dataclass

from bench.upgrade.deployment import Deployment

PEER_PORT = 50070
UNIT = """\
[Service]
Type=notify
User=saudacao
Environment=SERVER_RELEASE=%i SERVER_SERVICE=bench SERVER_PORT={port}
Environment=SERVER_TLS_DIRECTORY=/etc/saudacao/tls
ExecStart=/opt/saudacao/releases/{release}/venv/bin/python -I -m {module}
KillMode=mixed
TimeoutStopSec=15
"""
STAMP = "date +%s.%N"


@dataclass(frozen=True)
class Window:
    """One upgrade, in seconds since 1970: its command's begin and end, and the old one's end."""

    begun: float
    done: float
    ended: float


class Way:
    """One way to upgrade, on a port of the deployment's host; enter it before the first upgrade."""

    name = ""
    port = PEER_PORT

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def prepare(self) -> None:
        """Have the first release serve."""

    def command(self, number: int) -> str:
        """Return the shell commands of an upgrade, which end when the new release serves alone."""
        raise NotImplementedError

    def wait(self, number: int) -> str:
        """Return the shell commands that wait for the old release's end."""
        del number
        return "true"

    def upgrade(self, number: int) -> Window:
        """Upgrade once, and return when that was."""
        steps = [STAMP, self.command(number), STAMP, self.wait(number), STAMP]
        printed = self.deployment.host.run("set -e\n" + "\n".join(steps))
        return Window(*(float(stamp) for stamp in printed.split()))


class Switch(Way):
    """Ours: the host program's switch, confirmed at once."""

    name = "`grpc-switch` (ours)"
    port = 50051

    def command(self, number: int) -> str:
        """Switch to the other release and confirm it."""
        new = self.deployment.releases[(number + 1) % 2]
        return f"grpc-switch switch {new} > /dev/null\ngrpc-switch confirm {new} > /dev/null"

    def wait(self, number: int) -> str:
        """Wait until the old release's connections are gone and it has ended by itself."""
        unit = f"saudacao@{self.deployment.releases[number % 2]}"
        pid = f"$(systemctl show --property=MainPID --value {unit})"
        return f"timeout 90 tail --pid={pid} --sleep-interval=0.1 --follow /dev/null"


class Restart(Way):
    """One unit, restarted."""

    name = "`systemctl restart`"

    def prepare(self) -> None:
        """Write the unit and start it."""
        release = self.deployment.releases[0]
        unit = UNIT.format(port=PEER_PORT, release=release, module="saudacao.server")
        self.deployment.host.write("/run/systemd/system/bench-peer@.service", unit)
        self.deployment.host.run("systemctl daemon-reload; systemctl restart bench-peer@a")

    def command(self, number: int) -> str:
        """Restart the unit."""
        del number
        return "systemctl restart bench-peer@a"


class Kill(Restart):
    """The seed's way."""

    name = "kill and start again"

    def command(self, number: int) -> str:
        """Kill the server and start it again."""
        del number
        kill = "systemctl kill --signal=KILL bench-peer@a"
        return f"{kill}\nsystemctl reset-failed bench-peer@a\nsystemctl restart bench-peer@a"


class SharedPort(Way):
    """A second process on the same port, then `server.stop(grace)` of the first."""

    name = "shared port, then `server.stop(5)`"

    def prepare(self) -> None:
        """Write the unit and start the first instance."""
        host = self.deployment.host
        release = self.deployment.releases[0]
        unit = UNIT.format(port=PEER_PORT, release=release, module="saudacao_bench")
        host.write("/run/systemd/system/bench-shared@.service", unit)
        host.run("systemctl stop 'bench-peer@*'; systemctl daemon-reload")
        host.run("systemctl start bench-shared@0")

    def command(self, number: int) -> str:
        """Start the next instance, and stop the one before."""
        return f"systemctl start bench-shared@{number + 1}\nsystemctl stop bench-shared@{number}"


PEERS = (Kill, Restart, SharedPort)
