"""Archives of releases: variants of a real one, and small ones that are broken on purpose."""

import hashlib
import io
import json
import platform
import tarfile
import zipfile
from pathlib import Path

NOTIFY = """
import os, socket
def notify(message):
    address = os.environ["NOTIFY_SOCKET"]
    address = "\\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(message, address)
"""
EXITS = "import sys; sys.exit('this release exits')\n"
NEVER_READY = "import time; time.sleep(3600)\n"
READY_BUT_DEAF = NOTIFY + "import time; notify(b'READY=1'); time.sleep(3600)\n"
CHECK_FAILS = "import sys; sys.exit('nobody listens')\n"


def contents(archive: Path) -> dict[str, bytes]:
    """Return an archive's files."""
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def write(archive: Path, files: dict[str, bytes]) -> Path:
    """Write files as an archive and return its path."""
    with tarfile.open(archive, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive


def variant(archive: Path, release: str, settings: dict[str, str]) -> Path:
    """Return another release beside a real one: the same wheels, other settings, its own id."""
    files = contents(archive)
    description = {**json.loads(files["release.json"]), "id": release, "settings": settings}
    files["release.json"] = json.dumps(description).encode()
    files["settings.env"] = "".join(f"{key}={value}\n" for key, value in settings.items()).encode()
    return write(archive.with_name(f"{release}.tar"), files)


def broken(archive: Path, release: str, server: str) -> Path:
    """Return a release beside a real one whose server is the given source."""
    wheel = _wheel({"server.py": server, "check.py": CHECK_FAILS})
    files = {name: data for name, data in contents(archive).items() if "/pip-" in name}
    files["wheels/saudacao-0.0.1-py3-none-any.whl"] = wheel
    digest = hashlib.sha256(wheel).hexdigest()
    files["requirements.txt"] = f"saudacao==0.0.1 --hash=sha256:{digest}\n".encode()
    files["settings.env"] = b""
    files["release.json"] = json.dumps(description(release)).encode()
    return write(archive.with_name(f"{release}.tar"), files)


def description(release: str) -> dict[str, object]:
    """Return a release.json for this machine."""
    return {
        "id": release,
        "distribution": "saudacao",
        "version": "0.0.1",
        "python": "3.11",
        "platform": platform.machine(),
        "settings": {},
    }


def _wheel(modules: dict[str, str]) -> bytes:
    folder = "saudacao-0.0.1.dist-info"
    files = {
        "saudacao/__init__.py": "",
        **{f"saudacao/{name}": source for name, source in modules.items()},
        f"{folder}/METADATA": "Metadata-Version: 2.1\nName: saudacao\nVersion: 0.0.1\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{folder}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{folder}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return data.getvalue()
