"""Answers HTTP `GET /ready` on a port of its own, for load balancers that ask no gRPC health.

One thread serves a bounded number of connections, each for a bounded time, and reads from none of
them for longer than there is something to read: a slow caller holds up nobody.
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from threading import Thread

from saudacao.errors import NO_PORT, StartError

PATH = "/ready"
METHODS = ("GET", "HEAD")
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}
BODIES = {200: "ready", 503: "not ready"}

CONNECTIONS = 64
# Seconds that a connection gets, and bytes that its request may have.
PATIENCE = 2.0
LONGEST_REQUEST = 4096
# Seconds between looks for connections whose time is over, or after an accept that failed.
TICK = 0.25
# What a host without IPv6 says.
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class _Connection:
    """A caller, what it has sent, and when it has to be done; `answered` once it has its reply."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.received = b""
        self.answered = False
        self.due = time.monotonic() + PATIENCE


class Readiness:
    """Says `ready` (200) while `is_ready` holds, else 503, at /ready.

    It listens once it is made, on every address, as the server itself does. Raises StartError
    (exit code 3) when it cannot.
    """

    def __init__(self, port: int, is_ready: Callable[[], bool]) -> None:
        self._is_ready = is_ready
        self._listener = _listen(port)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[socket.socket, _Connection] = {}
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        """Answer from now on, until the process ends."""
        Thread(target=self._serve, name="readiness", daemon=True).start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select(TICK if self._connections else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif connection := self._connections.get(key.data):
                    self._read(connection)
            self._close_overdue()

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except BlockingIOError:  # the caller is gone already
            return
        except OSError:  # such as no file left
            time.sleep(TICK)
            return
        if len(self._connections) >= CONNECTIONS:
            self._close(next(iter(self._connections.values())))
        peer.setblocking(False)
        self._connections[peer] = _Connection(peer)
        self._selector.register(peer, selectors.EVENT_READ, peer)

    def _read(self, connection: _Connection) -> None:
        try:
            part = connection.peer.recv(LONGEST_REQUEST)
            if part and not connection.answered:
                connection.received += part
                self._answer(connection)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._close(connection)

    def _answer(self, connection: _Connection) -> None:
        """Answer a request that is complete, or that will not be."""
        head, ended, _ = connection.received.partition(b"\r\n\r\n")
        if ended or len(head) > LONGEST_REQUEST:
            # It fits into the socket's empty buffer. What comes after it is read and dropped until
            # the caller closes: closing first would take the answer away from it.
            connection.answered = True
            connection.peer.sendall(self._reply(head if ended else b""))
            connection.peer.shutdown(socket.SHUT_WR)

    def _reply(self, head: bytes) -> bytes:
        method, status = self._judge(head)
        body = BODIES.get(status, REASONS[status]) + "\n"
        allow = f"Allow: {', '.join(METHODS)}\r\n" if status == 405 else ""
        fields = f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        text = f"HTTP/1.1 {status} {REASONS[status]}\r\n{fields}{allow}\r\n"
        return (text + ("" if method == "HEAD" else body)).encode()

    def _judge(self, head: bytes) -> tuple[str, int]:
        """Return the request's method and the status of its answer."""
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "", 400
        method, target, _ = words
        if target.partition("?")[0] != PATH:
            return method, 404
        if method not in METHODS:
            return method, 405
        return method, 200 if self._is_ready() else 503

    def _close_overdue(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.due <= now]:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.peer]
        self._selector.unregister(connection.peer)
        connection.peer.close()


def _listen(port: int) -> socket.socket:
    try:
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in NO_IPV6:
                raise
            return socket.create_server(("", port))
    except OSError as error:
        raise StartError(
            f"cannot listen on port {port} for {PATH}: {error.strerror} (see `ss -ltnp sport = "
            f":{port}`)",
            NO_PORT,
        ) from error
