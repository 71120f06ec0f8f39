"""The process that holds a fleet's lock beside a playbook, and gives it back when that ends.

Run as `fleet_lock_holder.py BUCKET RUN FOLDER` by plugins/action/fleet_lock.py, with the variable
`aws` of the inventory as JSON in FLEET_LOCK_AWS. It renews the lease at each line on its input,
until the input ends or SIGTERM comes. How the run ended is then in FOLDER/outcome.json, or unknown.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
sys.path.append(str(Path(__file__).parents[2] / "roles/grpc_server/files"))

from plugins.module_utils.aws_cloud import AwsError, Cloud, StackError
from plugins.module_utils.fleet_lock import FleetLock

AWS = "FLEET_LOCK_AWS"
OUTCOME = "outcome.json"


def main() -> int:
    """Hold the lock. Exit 0: it was given back; 1: another run has it, or AWS was not reached."""
    bucket, run, folder = sys.argv[1:]
    lock = FleetLock(Cloud(json.loads(os.environ[AWS])).s3, bucket)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    try:
        for _ in sys.stdin:
            _renew(lock, run)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(lock, run, Path(folder) / OUTCOME)
    return 0


def _renew(lock: FleetLock, run: str) -> None:
    try:
        lock.renew(run)
    except AwsError as error:
        # The lease outlasts some missed renewals; the next may come through.
        sys.stderr.write(f"{error}\n")


def _end(lock: FleetLock, run: str, path: Path) -> None:
    try:
        lock.end(run, json.loads(path.read_text()) if path.exists() else None)
    except (*AwsError, StackError) as error:
        sys.stderr.write(f"The fleet's journal could not be told how the run ended: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
