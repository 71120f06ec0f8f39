"""The program: it reads /etc/log-ship.json, and ships until it is ended."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .cloud import CloudWatch
from .journal import Journal
from .pages import Pages
from .shipping import Shipping

if TYPE_CHECKING:
    from .shipping import Target

CONFIG = Path("/etc/log-ship.json")


def main() -> int:
    """Ship; systemd ends it. What is not shipped by then is in the journal, and is next time."""
    config = json.loads(CONFIG.read_text())
    cursor = Path(os.environ["STATE_DIRECTORY"]) / "cursor"
    target: Target
    if config["file"]:
        target = Pages(Path(config["file"]))
    else:
        target = CloudWatch(
            config["region"], config["group"], config["stream"], config["endpoint_file"]
        )
    with closing(Journal(config["units"], cursor)) as journal:
        Shipping(journal, target, say).run()
    return 0


def say(level: str, message: str) -> None:
    """Write a line to this program's own log, which is not shipped."""
    line = {"level": level, "event": "shipping", "message": message}
    sys.stderr.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
