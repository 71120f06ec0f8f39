"""What breaks between two releases for clients that were made for the first."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

MEMBER = "descriptors.binpb"
# A call is a method's full name and bytes in which fields have numbers. So these rules guard the
# wire, which lets a field be renamed, and the names of packages, services and methods, which the
# category WIRE leaves out. JSON is spoken by no client here; sources (FILE) are their own matter.
RULES = ["WIRE", "PACKAGE_NO_DELETE", "PACKAGE_SERVICE_NO_DELETE", "RPC_NO_DELETE"]
_FOUND = 100


class ComparisonError(Exception):
    """Two releases cannot be compared; the message says why, and what to do."""


def descriptors_of(archive: Path) -> bytes:
    """Return the descriptors in a release's archive, empty when it has none."""
    with tarfile.open(archive, "r:") as tar:
        if MEMBER not in tar.getnames():
            return b""
        file = tar.extractfile(MEMBER)
        return file.read() if file else b""


def breaking_changes(before: bytes, after: bytes) -> list[str]:
    """Return what clients made by the descriptors `before` cannot do with `after`.

    Each is a sentence that begins with the .proto file, where it is one file's. Raises
    ComparisonError when buf is missing or cannot read the descriptors.
    """
    with tempfile.TemporaryDirectory() as scratch:
        old, new = Path(scratch, "before.binpb"), Path(scratch, "after.binpb")
        old.write_bytes(before)
        new.write_bytes(after)
        config = json.dumps({"version": "v2", "breaking": {"use": RULES}})
        options = ["--exclude-imports", "--error-format", "json", "--config", config]
        result = _buf("breaking", str(new), "--against", str(old), *options)
    if result.returncode not in {0, _FOUND}:
        raise ComparisonError(
            f"The descriptors of two releases cannot be compared: {result.stderr.strip()}. To "
            "deploy without the comparison, add: -e allow_breaking_change=true"
        )
    return [_sentence(json.loads(line)) for line in result.stdout.splitlines()]


def _buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("buf")
    try:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ComparisonError(
            f"Two releases cannot be compared: there is no {program}. Install it there: "
            f"{sys.executable} -m pip install buf-bin"
        ) from error


def _sentence(finding: dict[str, str]) -> str:
    return ": ".join(finding[key] for key in ("path", "message") if key in finding)
