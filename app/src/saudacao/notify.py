"""Tells systemd what the server is doing (see sd_notify(3))."""

import os
import socket


def notify(*lines: str) -> None:
    """Send `lines` such as READY=1; does nothing when systemd did not ask for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.sendall("\n".join(lines).encode())
