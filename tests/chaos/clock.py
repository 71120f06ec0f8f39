"""A clock that jumps, for the service alone: hosts share the machine's clock."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.chaos.scene import Fault, Scene

CLOCK = "/etc/saudacao/clock"
DROP_INS = "/etc/systemd/system/saudacao@.service.d"
LIBRARY = "/usr/lib/libfaketime.so.1"


def clock_jump(name: str, offset: str) -> Fault:
    """Let the service see another time; its monotonic clock goes on, as in a real jump."""
    return Fault(name, _jump(offset), prepare=_own_clock, mend=_common_clock)


def _jump(offset: str) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        scene.host.path(CLOCK).write_text(f"{offset}\n")

    return strike


def _own_clock(scene: Scene) -> None:
    library = _fetch_libfaketime(scene.folder)
    scene.host.path(LIBRARY).write_bytes(library.read_bytes())
    scene.host.path(CLOCK).write_text("+0\n")
    units = scene.host.path(DROP_INS)
    units.mkdir()
    (units / "clock.conf").write_text(
        "[Service]\n"
        f"Environment=LD_PRELOAD={LIBRARY}\n"
        f"Environment=FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_CACHE_DURATION=1\n"
        "Environment=FAKETIME_DONT_FAKE_MONOTONIC=1\n"
    )
    scene.host.shell("systemctl daemon-reload")


def _common_clock(scene: Scene) -> None:
    scene.host.shell(f"rm -r {DROP_INS}; systemctl daemon-reload; echo +0 > {CLOCK}")


def _fetch_libfaketime(folder: Path) -> Path:
    """Unpack Debian's libfaketime beside the test; nothing is installed on this machine."""
    subprocess.run(["apt-get", "download", "--quiet=2", "libfaketime"], cwd=folder, check=True)
    [package] = folder.glob("libfaketime_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder / "libfaketime"], check=True)
    return next((folder / "libfaketime").rglob("libfaketime.so.1"))
