"""Archives of releases: variants of a real one, and small ones that are broken on purpose."""

import hashlib
import io
import json
import platform
import tarfile
import zipfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

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
SLOW_SERVICE = """
import time
import grpc
class Hang(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/slow.Slow/Hang":
            time.sleep(3600)
def wait(request, context):
    time.sleep(2)
    return request
def register(server):
    handlers = {"Wait": grpc.unary_unary_rpc_method_handler(wait)}
    slow = grpc.method_handlers_generic_handler("slow.Slow", handlers)
    server.add_generic_rpc_handlers([Hang(), slow])
    return ("slow.Slow",)
"""
WRONG_SERVICE = """
from saudacao import greeter
greeter.greet = lambda name: f"Oi, {name}!"
register = greeter.register
"""
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


def with_wheels(archive: Path, *names: str) -> Path:
    """Leave an archive only the wheels of these: what else it names has to be there already."""
    kept = tuple(f"wheels/{name}-" for name in names)
    files = contents(archive)
    return write(
        archive,
        {n: data for n, data in files.items() if not n.startswith("wheels/") or n.startswith(kept)},
    )


def changed(archive: Path, release: str, modules: dict[str, str]) -> Path:
    """Return a release beside a real one, of which these modules of the service are different."""
    path = variant(archive, release, {})
    files = contents(path)
    [name] = [name for name in files if name.startswith("wheels/saudacao-")]
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files[name])) as real, zipfile.ZipFile(data, "w") as wheel:
        for member in real.namelist():
            if member not in modules and not member.endswith("/RECORD"):
                wheel.writestr(member, real.read(member))
        for member, text in modules.items():
            wheel.writestr(member, text)
        [record] = [member for member in real.namelist() if member.endswith("/RECORD")]
        wheel.writestr(record, "".join(f"{member},,\n" for member in [*wheel.namelist(), record]))
    old, new = (hashlib.sha256(wheel).hexdigest() for wheel in (files[name], data.getvalue()))
    files[name] = data.getvalue()
    files["requirements.txt"] = files["requirements.txt"].replace(old.encode(), new.encode())
    return write(path, files)


def slow(archive: Path, release: str) -> Path:
    """Return a release beside a real one whose service slow.Slow takes 2 s for a call of Wait.

    A call of Hang hangs the whole server, which systemd notices within 3 s.
    """
    settings = {"SERVER_SERVICE": "slow", "SERVER_MAX_CONNECTION_AGE": "2", "SERVER_WATCHDOG": "3"}
    path = variant(archive, release, settings)
    files = contents(path)
    entry_points = "[saudacao.services]\nslow = slow:register\n"
    _add_wheel(files, "slow", {"slow.py": SLOW_SERVICE}, entry_points)
    return write(path, files)


def wrong(archive: Path, release: str) -> Path:
    """Return a release beside a real one that is ready, and whose greeter answers wrong."""
    path = variant(archive, release, {"SERVER_SERVICE": "wrong"})
    files = contents(path)
    entry_points = "[saudacao.services]\nwrong = wrong:register\n"
    entry_points += "[saudacao.checks]\nwrong = saudacao.greeter:check\n"
    _add_wheel(files, "wrong", {"wrong.py": WRONG_SERVICE}, entry_points)
    return write(path, files)


def incompatible(archive: Path, release: str) -> Path:
    """Return a release beside a real one that says that no message has a field any more."""
    files = contents(variant(archive, release, {}))
    described = FileDescriptorSet.FromString(files["descriptors.binpb"])
    for message in (message for file in described.file for message in file.message_type):
        del message.field[:]
    files["descriptors.binpb"] = described.SerializeToString()
    return write(archive.with_name(f"{release}.tar"), files)


def broken(archive: Path, release: str, server: str) -> Path:
    """Return a release beside a real one whose server is the given source."""
    files = {name: data for name, data in contents(archive).items() if "/pip-" in name}
    files |= {"requirements.txt": b"", "settings.env": b""}
    modules = {"__init__.py": "", "server.py": server, "check.py": CHECK_FAILS}
    modules = {f"saudacao/{name}": source for name, source in modules.items()}
    _add_wheel(files, "saudacao", modules)
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


def _add_wheel(
    files: dict[str, bytes], name: str, modules: dict[str, str], entry_points: str = ""
) -> None:
    """Put a wheel into an archive's files, and its hash into their requirements."""
    folder = f"{name}-0.0.1.dist-info"
    members = {
        **modules,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/entry_points.txt": entry_points,
    }
    members[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in members)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as wheel:
        for path, text in members.items():
            wheel.writestr(path, text)
    files[f"wheels/{name}-0.0.1-py3-none-any.whl"] = data.getvalue()
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    files["requirements.txt"] += f"{name}==0.0.1 --hash=sha256:{digest}\n".encode()
