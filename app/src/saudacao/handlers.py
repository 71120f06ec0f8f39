"""Names for grpc's types: its stubs have them generic, the classes themselves are not."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.ServerInterceptor[Any, Any]
    UnaryClientInterceptor = grpc.UnaryUnaryClientInterceptor[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
    Interceptor = grpc.ServerInterceptor
    UnaryClientInterceptor = grpc.UnaryUnaryClientInterceptor

Continuation = Callable[[grpc.HandlerCallDetails], Handler | None]
