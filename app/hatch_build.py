"""Build hook: compiles a project's .proto files into typed Python modules below src/.

It runs for wheels and for editable installs. A project of your own can copy this file as it is;
its pyproject.toml says where the .proto files are::

    [tool.hatch.build.hooks.custom]
    proto = ["proto"]    # the first of these folders that exists is compiled
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

Types = dict[str, tuple[str, str]]

SERVICE = """
class {name}Stub:
    def __init__(self, channel: grpc.Channel) -> None: ...
{calls}

class {name}Servicer:
{handlers}

def add_{name}Servicer_to_server(servicer: {name}Servicer, server: grpc.Server) -> None: ...
"""


class StubsHook(BuildHookInterface[Any]):
    """Generates `*_pb2` and `*_pb2_grpc` modules, with type stubs for both."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are collected; raises FileNotFoundError without a folder.

        A source distribution is left alone: it carries the .proto files themselves.
        """
        del version  # an editable install needs the same modules
        if self.target_name != "sdist":
            compile_folder(self._proto_folder(), Path(self.root, "src"))
            build_data["artifacts"] += ["*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi"]

    def _proto_folder(self) -> Path:
        candidates = [Path(self.root, name).resolve() for name in self.config["proto"]]
        for folder in candidates:
            if folder.is_dir():
                return folder
        tried = ", ".join(map(str, candidates))
        raise FileNotFoundError(
            f"no .proto files to build from: {tried} does not exist; build in the repository, from "
            "the source distribution, or with a copy of the proto folder beside pyproject.toml"
        )


def compile_folder(proto: Path, target: Path) -> None:
    """Compile every .proto file below `proto` into `target`; raises RuntimeError on a bad file."""
    files = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        described, made = Path(scratch, "descriptors"), Path(scratch, "made")
        made.mkdir()
        outputs = [f"--{kind}_out={made}" for kind in ("python", "pyi", "grpc_python")]
        descriptors = ["--include_imports", f"--descriptor_set_out={described}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto}"]
        if subprocess.run([*command, *outputs, *descriptors, *files], check=False).returncode:
            raise RuntimeError(f"protoc refused the files in {proto}: its message is above")
        found = descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes()).file
        types = {name: place for file in found for name, place in _types(file)}
        for file in found:
            if file.name in files:
                _write_service_types(file, types, made)
        _install(made, target)


def _install(made: Path, target: Path) -> None:
    """Replace each changed module in one step: another process may be importing it."""
    for source in sorted(path for path in made.rglob("*") if path.is_file()):
        module = target / source.relative_to(made)
        if not (module.exists() and module.read_bytes() == source.read_bytes()):
            module.parent.mkdir(parents=True, exist_ok=True)
            beside = module.with_name(f"{module.name}.{os.getpid()}")
            beside.write_bytes(source.read_bytes())
            beside.replace(module)


def _types(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, tuple[str, str]]]:
    module = file.name.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"
    prefix = f".{file.package}." if file.package else "."
    for name in _names(file.message_type):
        yield prefix + name, (module, name)


def _names(messages: Iterable[descriptor_pb2.DescriptorProto], outer: str = "") -> Iterator[str]:
    for message in messages:
        yield outer + message.name
        yield from _names(message.nested_type, f"{outer}{message.name}.")


def _write_service_types(
    file: descriptor_pb2.FileDescriptorProto, types: Types, target: Path
) -> None:
    methods = [method for service in file.service for method in service.method]
    names = [name for method in methods for name in (method.input_type, method.output_type)]
    used = {types[name][0] for name in names}
    imports = ["from collections.abc import Iterator", "", "import grpc"]
    text = "\n".join([*imports, *(f"import {module}" for module in sorted(used)), ""])
    text += "".join(_service(service, types) for service in file.service)
    stem = file.name.removesuffix(".proto").replace("-", "_")
    Path(target, f"{stem}_pb2_grpc.pyi").write_text(text, encoding="utf-8")


def _service(service: descriptor_pb2.ServiceDescriptorProto, types: Types) -> str:
    calls, handlers = [], []
    for method in service.method:
        request = ".".join(types[method.input_type])
        reply = ".".join(types[method.output_type])
        kind = f"{_side(method.client_streaming)}{_side(method.server_streaming)}MultiCallable"
        taken = f"Iterator[{request}]" if method.client_streaming else request
        given = f"Iterator[{reply}]" if method.server_streaming else reply
        calls.append(f"    {method.name}: grpc.{kind}[{request}, {reply}]")
        arguments = f"self, request: {taken}, context: grpc.ServicerContext"
        handlers.append(f"    def {method.name}({arguments}) -> {given}: ...")
    empty = ["    pass"]
    return SERVICE.format(
        name=service.name, calls="\n".join(calls), handlers="\n".join(handlers or empty)
    )


def _side(streaming: bool) -> str:
    return "Stream" if streaming else "Unary"
