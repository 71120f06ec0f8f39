"""Full disks: folders of the host get small disks of their own, which are then filled."""

import os

from tests.chaos.scene import Fault, Scene

MEBIBYTE = 1024 * 1024
LARGEST = 4096 * MEBIBYTE
# It has a view of its own of what is mounted, as of when it was started.
LOOK_ANEW = "systemctl restart saudacao-guard"


def disk_full(name: str, spare: dict[str, int]) -> Fault:
    """Leave no byte free in folders below the root; until it strikes, each has some mebibytes."""
    folders = {f"/{folder}": room for folder, room in spare.items()}

    def prepare(scene: Scene) -> None:
        for folder, room in folders.items():
            _use_small_disk(scene, folder, room)
        scene.host.shell(LOOK_ANEW)

    def strike(scene: Scene) -> None:
        for folder in folders:
            _fill(scene, folder)

    def mend(scene: Scene) -> None:
        for folder in folders:
            _use_large_disk(scene, folder)
        scene.host.shell(LOOK_ANEW)

    return Fault(name, strike, prepare, mend)


def _use_small_disk(scene: Scene, folder: str, room: int) -> None:
    """Put what is in a folder onto a disk of its own, in memory and of bounded size."""
    scene.host.shell(
        f"used=$(du -sxm {folder} | cut -f1);"
        f"mount -t tmpfs -o size=$((used + {room}))m,mode=$(stat -c %a {folder}) chaos /mnt;"
        f"cp -ax {folder}/. /mnt/; mount --move /mnt {folder}"
    )


def _fill(scene: Scene, folder: str) -> None:
    path = scene.host.path(folder)
    room = os.statvfs(path)
    assert room.f_blocks * room.f_frsize < LARGEST, "this is not the small disk"
    with (path / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, room.f_bfree * room.f_frsize)


def _use_large_disk(scene: Scene, folder: str) -> None:
    """Take the filler away, and put what is new in the folder onto the host's disk.

    What is there already stays: a server that runs from it has it mapped.
    """
    scene.host.shell(
        f"rm -f {folder}/filler; mount --bind / /mnt; cp -au {folder}/. /mnt{folder}/;"
        f"umount /mnt; umount --lazy {folder}"
    )
