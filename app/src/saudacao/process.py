"""What the kernel knows of this process."""

import resource
from pathlib import Path
from typing import NamedTuple

PROCESS = Path("/proc/self")


class Memory(NamedTuple):
    """Bytes: all that is reserved, and what of it is in RAM."""

    virtual: int
    resident: int


def memory() -> Memory:
    """Return the memory that this process takes; OSError when it cannot be read."""
    pages = [int(word) for word in (PROCESS / "statm").read_text().split()[:2]]
    return Memory(*(count * resource.getpagesize() for count in pages))
