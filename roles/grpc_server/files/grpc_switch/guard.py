"""Puts the redirect back when other software removes it, for instance by flushing the ruleset."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

from . import mapping
from .system import RefusedError

if TYPE_CHECKING:
    from .config import Config

# Tables that go are reported at once; anything subtler is found by looking again.
LOOK_AGAIN_SECONDS = 10


def guard(config: Config) -> None:
    """Watch for ever; RefusedError when nft stops reporting."""
    # On a terminal nft writes each report at once; into a pipe they would come minutes late.
    reports, terminal = os.openpty()
    with subprocess.Popen(["nft", "monitor", "destroy", "tables"], stdout=terminal) as monitor:
        os.close(terminal)
        while monitor.poll() is None:
            restore(config)
            readable, _, _ = select.select([reports], [], [], LOOK_AGAIN_SECONDS)
            if readable:
                _discard(reports)
    raise RefusedError(f"nft monitor ended with {monitor.returncode}: nothing watches the redirect")


def restore(config: Config) -> bool:
    """Load the map file when the kernel has something else; return whether that was needed."""
    if mapping.is_loaded(config):
        return False
    mapping.load(config)
    sys.stderr.write(f"the redirect was gone: {config.map_file} is loaded again\n")
    return True


def _discard(reports: int) -> None:
    # Linux reports the other end's close as an error.
    with contextlib.suppress(OSError):
        os.read(reports, 65536)
