"""A server on which no promise holds: it greets wrongly, is not serving, and lets everybody in.

Usage: python wrong_server.py FOLDER, with server.key and server.crt; it prints its port.
"""

import sys
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc
from typing_extensions import override


class WrongGreeter(saudacao_pb2_grpc.SaudacaoServiceServicer):
    """Greets everybody as somebody else."""

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        """Answer with the wrong name."""
        del context
        return saudacao_pb2.Resposta(texto=f"Olá, {request.nome[::-1]}.")


def main() -> None:
    """Serve until killed."""
    key, certificate = (Path(sys.argv[1], f"server.{kind}").read_bytes() for kind in ("key", "crt"))
    server = grpc.server(futures.ThreadPoolExecutor(20))
    saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(WrongGreeter(), server)
    states = health.HealthServicer()
    states.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
