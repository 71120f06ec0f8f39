"""What clients know of a release: its .proto files, compiled into one file of descriptors."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from . import ReleaseError

NAME = "descriptors.binpb"
# A project's own buf.yaml could ask for modules of a registry; protoc, which builds the stubs,
# knows none either.
_CONFIG = '{"version": "v2"}'


def folder(project: Path, named: Path | None) -> Path | None:
    """Return the folder of the .proto files that a project serves; None when it has none.

    It is the `named` one, or else the one that the project's build hook compiles, or `proto`.
    Raises ReleaseError when the named one is missing.
    """
    if named is None:
        candidates = [project / name for name in _compiled_by_the_hook(project)]
        return next((path for path in candidates if path.is_dir()), None)
    if not named.is_dir():
        raise ReleaseError(f"There is no folder {named}: correct release_proto.")
    return named


def compiled(proto: Path) -> bytes:
    """Compile every .proto file below a folder; nothing but their content decides the bytes.

    The result has no comments and no line numbers. It is empty when there are no such files.
    Raises ReleaseError when they do not compile.
    """
    if next(proto.rglob("*.proto"), None) is None:
        return b""
    buf = Path(sys.executable).with_name("buf")
    options = ["--config", _CONFIG, "--exclude-source-info", "--output", "-"]
    try:
        result = subprocess.run(
            [buf, "build", ".", *options], cwd=proto, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise ReleaseError(
            f"The files in {proto} cannot be compiled: there is no {buf}. Install it there: "
            f"{sys.executable} -m pip install buf-bin"
        ) from error
    if result.returncode != 0:
        talk = result.stderr.decode(errors="replace").strip()
        raise ReleaseError(
            f"The files in {proto} do not compile: {talk}. Correct them, or name another folder "
            "by release_proto."
        )
    return result.stdout


def _compiled_by_the_hook(project: Path) -> list[str]:
    values = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    for key in ("tool", "hatch", "build", "hooks", "custom"):
        values = values.get(key, {})
    names: list[str] = values.get("proto", ["proto"])
    return names
