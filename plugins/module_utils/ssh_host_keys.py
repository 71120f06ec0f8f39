"""SSH host keys, read from the console output of EC2 instances, kept in a known_hosts file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.instance_console import console
from plugins.module_utils.stack_events import pauses

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL
)
_KEY = re.compile(r"\b(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) ([A-Za-z0-9+/=]{40,})")

Keys = dict[str, str]


def parse_console(output: str) -> Keys:
    """Return {key type: key} of the last block of keys that cloud-init printed, or {}."""
    blocks = _BLOCK.findall(output)
    return dict(_KEY.findall(blocks[-1])) if blocks else {}


def read_console(ec2: EC2Client, instance: str) -> Keys:
    """Return the host keys that the instance's console shows now, or {} when it shows none."""
    return parse_console(console(ec2, instance))


def load(path: Path) -> dict[str, Keys]:
    """Read a known_hosts file as {host: {key type: key}}; a missing or damaged file is empty."""
    known: dict[str, Keys] = {}
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        if len(fields := line.split()) >= 3 and not line.startswith("#"):
            known.setdefault(fields[0], {})[fields[1]] = fields[2]
    return known


def save(path: Path, known: dict[str, Keys]) -> None:
    """Replace the known_hosts file in one step; it is readable by its owner only."""
    lines = [
        f"{host} {kind} {key}\n"
        for host, keys in sorted(known.items())
        for kind, key in sorted(keys.items())
    ]
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(lines)
    beside.replace(path)


def learn(ec2: EC2Client, instance: str, timeout: float) -> Keys:
    """Wait at most `timeout` seconds for a new instance's keys on its console.

    Raises StackError naming the instance when none appear.
    """
    for _ in pauses(timeout):
        if keys := read_console(ec2, instance):
            return keys
    raise StackError(
        f"The SSH host keys of {instance} are unknown: its console showed none within "
        f"{timeout:.0f} s. Look at it with: aws ec2 get-console-output --latest --output text "
        f"--instance-id {instance}, then run the same command again"
    )


def confirm(ec2: EC2Client, instance: str, known: Keys, path: Path) -> None:
    """Compare known keys with the console's; an old console that shows none proves nothing.

    Raises StackError when a key differs.
    """
    shown = read_console(ec2, instance)
    differing = [kind for kind, key in known.items() if shown.get(kind, key) != key]
    if differing:
        raise StackError(
            f"The SSH host key of {instance} has changed ({', '.join(differing)}): {path} and "
            "the instance's console differ. Somebody re-made the host's keys, or another machine "
            "answers in its place. If you know why, forget the old key and run the same command "
            f"again: ssh-keygen -R {instance} -f {path}"
        )


def update(ec2: EC2Client, path: Path, instances: list[str], timeout: float) -> dict[str, Keys]:
    """Return what known_hosts has to hold for exactly these instances.

    Keys of unknown instances are waited for, `timeout` seconds each; instances that are gone
    are left out. Raises StackError for a changed key and for one that does not appear.
    """
    known = load(path)
    wanted: dict[str, Keys] = {}
    for instance in instances:
        if instance in known:
            confirm(ec2, instance, known[instance], path)
            wanted[instance] = known[instance]
        else:
            wanted[instance] = learn(ec2, instance, timeout)
    return wanted
