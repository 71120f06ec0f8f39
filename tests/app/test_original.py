"""A client compiled from the first, package-less file, as its users did it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.app.conftest import Serve
from tests.app.running import ROOT

CLIENT = """
import sys
import grpc, saudacao_pb2, saudacao_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
    print(stub.Saudar(saudacao_pb2.Mensagem(nome="Leonardo")).texto)
"""


def test_a_client_of_the_original_file_is_greeted(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    shutil.copy(ROOT / "proto" / "saudacao" / "original" / "saudacao.proto", folder)
    compiler = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=."]
    run([*compiler, "--grpc_python_out=.", "saudacao.proto"], folder)
    (folder / "client.py").write_text(CLIENT)
    server = start()
    assert run([sys.executable, "client.py", server.plain.endpoint], folder) == "Olá, Leonardo!\n"
    assert server.log.calls("OK")[0]["method"] == "/SaudacaoService/Saudar"


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout
