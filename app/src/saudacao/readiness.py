"""Answers HTTP `GET /ready` on a port of its own, for load balancers that ask no gRPC health.

Callers on the same host get the server's figures too, at /metrics. One thread serves a bounded
number of connections, each for a bounded time, and reads from none of them, and writes to none, for
longer than it can without waiting: a slow caller holds up nobody.
"""

import errno
import logging
import selectors
import socket
import time
from collections.abc import Callable
from threading import Thread

from saudacao.errors import NO_PORT, StartError
from saudacao.openmetrics import CONTENT_TYPE

PATH = "/ready"
METRICS = "/metrics"
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
# What the address of a caller on this host begins with. No other can have one of them: the kernel
# drops what comes from a network and says so. The mapping to this port leaves them as they are.
LOOPBACK = ("127.", "::ffff:127.")
LOOPBACK_IPV6 = "::1"
# What a host without IPv6 says.
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class _Connection:
    """A caller, what it has sent and is still to get, and when it has to be done.

    It is `answered` once there is a reply, and has `ended` once it sends no more.
    """

    def __init__(self, peer: socket.socket, address: str) -> None:
        self.peer = peer
        self.local = address.startswith(LOOPBACK) or address == LOOPBACK_IPV6
        self.received = b""
        self.unsent = b""
        self.answered = False
        self.ended = False
        self.due = time.monotonic() + PATIENCE


class Readiness:
    """Says `ready` (200) while `is_ready` holds, else 503; and `figures` to its own host.

    It listens once it is made, on every address, as the server itself does. Raises StartError
    (exit code 3) when it cannot.
    """

    def __init__(
        self, port: int, is_ready: Callable[[], bool], figures: Callable[[], str] | None = None
    ) -> None:
        self._is_ready = is_ready
        self._figures = figures
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
            for key, events in self._selector.select(TICK if self._connections else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif connection := self._connections.get(key.data):
                    self._attend(connection, events)
            self._close_overdue()

    def _accept(self) -> None:
        try:
            peer, address = self._listener.accept()
        except BlockingIOError:  # the caller is gone already
            return
        except OSError:  # such as no file left
            time.sleep(TICK)
            return
        if len(self._connections) >= CONNECTIONS:
            self._close(next(iter(self._connections.values())))
        peer.setblocking(False)
        self._connections[peer] = _Connection(peer, address[0])
        self._selector.register(peer, selectors.EVENT_READ, peer)

    def _attend(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(connection)
            self._send(connection)
        except BlockingIOError:
            pass
        except OSError:
            self._close(connection)
            return
        except Exception:
            # One caller goes without an answer, not all that come after it.
            logging.getLogger(__name__).exception("cannot answer")
            self._close(connection)
            return
        wanted = 0 if connection.ended else selectors.EVENT_READ
        wanted |= selectors.EVENT_WRITE if connection.unsent else 0
        if wanted:
            self._selector.modify(connection.peer, wanted, connection.peer)
        else:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        part = connection.peer.recv(LONGEST_REQUEST)
        connection.ended = not part
        # What comes after a request is read and dropped until the caller closes: closing first
        # would take the answer away from it.
        if part and not connection.answered:
            connection.received += part
            self._answer(connection)

    def _answer(self, connection: _Connection) -> None:
        """Answer a request that is complete, or that will not be."""
        head, ended, _ = connection.received.partition(b"\r\n\r\n")
        if ended or len(head) > LONGEST_REQUEST:
            connection.answered = True
            connection.unsent = self._reply(head if ended else b"", local=connection.local)

    def _send(self, connection: _Connection) -> None:
        if connection.unsent:
            sent = connection.peer.send(connection.unsent)
            connection.unsent = connection.unsent[sent:]
            if not connection.unsent:
                connection.peer.shutdown(socket.SHUT_WR)

    def _reply(self, head: bytes, *, local: bool) -> bytes:
        method, target, status = self._judge(head, local=local)
        kind, body = "text/plain", BODIES.get(status, REASONS[status]) + "\n"
        if status == 200 and target == METRICS and self._figures:
            kind, body = CONTENT_TYPE, self._figures()
        allow = f"Allow: {', '.join(METHODS)}\r\n" if status == 405 else ""
        content = body.encode()
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        fields += f"Connection: close\r\n{allow}"
        text = f"HTTP/1.1 {status} {REASONS[status]}\r\n{fields}\r\n"
        return text.encode() + (b"" if method == "HEAD" else content)

    def _judge(self, head: bytes, *, local: bool) -> tuple[str, str, int]:
        """Return the request's method and path, and the status of its answer."""
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "", "", 400
        method, target = words[0], words[1].partition("?")[0]
        if target != PATH and not (target == METRICS and local and self._figures):
            return method, target, 404
        if method not in METHODS:
            return method, target, 405
        return method, target, 200 if target == METRICS or self._is_ready() else 503

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
