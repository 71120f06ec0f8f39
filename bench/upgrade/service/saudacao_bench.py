"""The service that the bench deploys: the greeter, and a slow one beside it.

`python -m saudacao_bench` serves the same as a peer: plain gRPC on a port that a second process
may share, and stop(grace) at SIGTERM.
"""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from saudacao import greeter, settings
from saudacao.calls import Calls
from saudacao.logs import Log
from saudacao.metrics import Metrics
from saudacao.notify import notify
from saudacao.overload import Admission
from saudacao.tls import Certificates
from saudacao.v1 import saudacao_pb2
from saudacao.workers import Workers

SLOW = "bench.SlowGreeter"
GRACE = 5.0


def register(server: grpc.Server) -> tuple[str, ...]:
    """Add the greeters to `server` and return their full names."""
    handler = grpc.unary_unary_rpc_method_handler(
        _greet_slowly,
        saudacao_pb2.Mensagem.FromString,
        saudacao_pb2.Resposta.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(SLOW, {"Saudar": handler})
    server.add_generic_rpc_handlers([handlers])
    return (*greeter.register(server), SLOW)


def _greet_slowly(
    request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
) -> saudacao_pb2.Resposta:
    """Greet a number after as many seconds."""
    del context
    time.sleep(min(float(request.nome), 2.0))
    return saudacao_pb2.Resposta(texto=greeter.greet(request.nome))


def main() -> None:
    """Serve until SIGTERM, with the settings of saudacao.server."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    chosen = settings.load()
    if chosen.tls_directory is None:
        raise SystemExit("the peer serves with TLS only: set SERVER_TLS_DIRECTORY")
    log = Log(chosen.release)
    options = [("grpc.so_reuseport", 1)]
    metrics, pool = Metrics(), ThreadPoolExecutor(chosen.max_workers)
    # It always has room: gRPC gives its calls to the pool, not to these workers.
    admission = Admission(Workers(chosen.max_workers, 0), pool, metrics)
    server = grpc.server(pool, interceptors=[Calls(log, metrics, admission)], options=options)
    register(server)
    credentials = Certificates(chosen.tls_directory, log).credentials()
    server.add_secure_port(f"[::]:{chosen.port}", credentials)
    server.start()
    notify("READY=1")
    signal.sigwait({signal.SIGTERM})
    server.stop(GRACE).wait()


if __name__ == "__main__":
    main()
