"""Small distributions that are made in a moment: wheels, a project, and the lock that pins them."""

import hashlib
import zipfile
from pathlib import Path

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "trial"
version = "1.2.3"
requires-python = ">=3.11"
dependencies = ["compiled==1.0", "pure>=2"]

[project.scripts]
trial = "trial:main"
"""

PROTO = """\
syntax = "proto3";
package trial.v1;
// Trial has one field.
message Trial {
  string name = 1;
}
"""


def make_wheel(folder: Path, name: str, version: str, tags: str = "py3-none-any") -> Path:
    """Write a wheel with one module, which knows its tags."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tags}.whl"
    information = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"TAGS = {tags!r}\n",
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{information}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{information}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def make_index(folder: Path) -> list[Path]:
    """Make the wheels that the project needs: pure, compiled for two machines, and `pip`."""
    platform = "cp311-cp311-manylinux_2_17_{}.manylinux2014_{}"
    compiled = [
        make_wheel(folder, "compiled", "1.0", platform.format(machine, machine))
        for machine in ("x86_64", "aarch64")
    ]
    return [*compiled, make_wheel(folder, "pure", "2.5"), make_wheel(folder, "pip", "99.0")]


def make_project(folder: Path) -> Path:
    """Write a project with one module and what a developer leaves lying about."""
    files = {
        "pyproject.toml": PROJECT,
        "README.md": "Trial\n",
        "src/trial/__init__.py": "import compiled\n\n\ndef main():\n    print(compiled.TAGS)\n",
        "src/trial/data/words.txt": "olá\n",
        "proto/trial/v1/trial.proto": PROTO,
        "src/trial/__pycache__/old.pyc": "stale",
        ".git/HEAD": "ref: refs/heads/main",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def lock_lines(*wheels: Path) -> dict[str, str]:
    """Return a lock's entry for each distribution by name, with a hash for each of its wheels."""
    hashes: dict[str, list[str]] = {}
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        hashes.setdefault(f"{name}=={version}", []).append(f"--hash=sha256:{digest}")
    return {
        pin.partition("==")[0]: " \\\n    ".join([pin, *digests]) + "\n"
        for pin, digests in hashes.items()
    }
