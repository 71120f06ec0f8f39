"""The greeter: its rules, its servicer, and the entry points that register and check it."""

import unicodedata

import grpc
from typing_extensions import override

from saudacao.errors import InvalidRequestError
from saudacao.original import saudacao_pb2 as original_pb2
from saudacao.original import saudacao_pb2_grpc as original_grpc
from saudacao.v1 import saudacao_pb2, saudacao_pb2_grpc

LONGEST_NAME = 256

# Seconds in which a host's own server greets, even a busy one.
CHECK_DEADLINE = 3.0

# Line and paragraph separators (Zl, Zp) break a line just as the control characters (Cc) do.
# Format characters (Cf) stay: right-to-left names and joined emoji are written with them.
REFUSED_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})
INVISIBLE_CATEGORIES = frozenset({"Cf", "Zs"})


def greet(name: str) -> str:
    """Greet `name` exactly as it is written; raises InvalidRequestError naming the broken rule."""
    _check(name)
    return f"Olá, {name}!"


def _check(name: str) -> None:
    if not name:
        raise InvalidRequestError("nome is empty: it needs at least one character")
    if len(name) > LONGEST_NAME:
        raise InvalidRequestError(
            f"nome has {len(name)} characters: at most {LONGEST_NAME} are allowed"
        )
    categories = [unicodedata.category(character) for character in name]
    for position, category in enumerate(categories, start=1):
        if category in REFUSED_CATEGORIES:
            code = f"U+{ord(name[position - 1]):04X}"
            raise InvalidRequestError(
                f"nome has the control character {code} at position {position}: "
                "control characters are not allowed"
            )
    if INVISIBLE_CATEGORIES.issuperset(categories):
        raise InvalidRequestError("nome is blank: it needs at least one visible character")


class Greeter(saudacao_pb2_grpc.SaudacaoServiceServicer):
    """Serves saudacao.v1.SaudacaoService."""

    @override
    def Saudar(
        self, request: saudacao_pb2.Mensagem, context: grpc.ServicerContext
    ) -> saudacao_pb2.Resposta:
        """Answer a name with its greeting."""
        del context
        return saudacao_pb2.Resposta(texto=greet(request.nome))


class OriginalGreeter(original_grpc.SaudacaoServiceServicer):
    """Serves the package-less SaudacaoService to clients of the first file."""

    @override
    def Saudar(
        self, request: original_pb2.Mensagem, context: grpc.ServicerContext
    ) -> original_pb2.Resposta:
        """Answer a name with its greeting."""
        del context
        return original_pb2.Resposta(texto=greet(request.nome))


def register(server: grpc.Server) -> tuple[str, ...]:
    """Add both greeters to `server` and return their full names."""
    saudacao_pb2_grpc.add_SaudacaoServiceServicer_to_server(Greeter(), server)
    original_grpc.add_SaudacaoServiceServicer_to_server(OriginalGreeter(), server)
    files = (saudacao_pb2.DESCRIPTOR, original_pb2.DESCRIPTOR)
    return tuple(file.services_by_name["SaudacaoService"].full_name for file in files)


def check(channel: grpc.Channel) -> None:
    """Greet "Leonardo", exactly; raises ValueError, or grpc.RpcError, when that does not work."""
    stub = saudacao_pb2_grpc.SaudacaoServiceStub(channel)
    reply = stub.Saudar(saudacao_pb2.Mensagem(nome="Leonardo"), timeout=CHECK_DEADLINE)
    if reply.texto != "Olá, Leonardo!":
        raise ValueError(f"Leonardo is greeted with {reply.texto!r}, not with 'Olá, Leonardo!'")
