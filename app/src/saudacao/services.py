"""Finds the service to serve among the installed distributions."""

from collections.abc import Callable
from importlib.metadata import entry_points

import grpc

from saudacao.errors import StartError
from saudacao.settings import BAD_SETTING

GROUP = "saudacao.services"

# Adds a service's handlers to the server and returns the full names of its gRPC services.
Register = Callable[[grpc.Server], tuple[str, ...]]


def find(name: str) -> Register:
    """Load the entry point `name`; raises StartError (exit code 2) listing those installed."""
    installed = entry_points(group=GROUP)
    if name not in installed.names:
        names = ", ".join(sorted(installed.names)) or "none"
        raise StartError(
            f"SERVER_SERVICE={name!r} is refused: no installed distribution has that entry point "
            f"in {GROUP}; installed are: {names}",
            BAD_SETTING,
        )
    register: Register = installed[name].load()
    return register
