"""The server's process: `python -m saudacao.server`, with its settings in SERVER_... variables.

Exit codes: 0 stopped as asked, 2 a bad setting, 3 the port cannot be had, 4 bad certificates.
Signals: SIGTERM and SIGINT stop within SERVER_STOP_GRACE seconds, SIGUSR1 drains, SIGUSR2 takes
a drain back.
"""

import contextlib
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

    from saudacao.logs import Log
    from saudacao.serving import Parts
    from saudacao.settings import Settings
    from saudacao.watchdog import Watchdog

BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    """Run the server and exit with its status."""
    # Threads inherit the mask of the thread that makes them, and importing grpc may make some:
    # this module imports nothing of grpc before main() has blocked the signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    _take_all_files()
    # The log is JSON; what grpc's core prints on its own is not. Read when grpc is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(_serve())


def _take_all_files() -> None:
    """Use as many files as the hard limit allows: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _serve() -> int:
    from saudacao import settings
    from saudacao.errors import StartError
    from saudacao.logs import Log, LogHandler

    log = Log(os.environ.get("SERVER_RELEASE", "dev"))
    try:
        chosen = settings.load()
        logging.basicConfig(handlers=[LogHandler(log)], level=logging.WARNING)
        _run(chosen, log)
    except StartError as error:
        log.failure("failed", message=str(error), exit_code=error.exit_code)
        return error.exit_code
    return 0


def _run(chosen: "Settings", log: "Log") -> None:
    from saudacao import services
    from saudacao.heartbeat import Heartbeat
    from saudacao.lifecycle import Lifecycle
    from saudacao.serving import Parts, create_server

    parts = Parts(chosen, log)
    server, port = create_server(parts, services.find(chosen.service))
    if chosen.readiness_port is not None:
        from saudacao.figures import Figures
        from saudacao.readiness import Readiness

        figures = Figures(parts, port)
        readiness = Readiness(chosen.readiness_port, lambda: parts.ready, figures.write)
        log.info("readiness", port=readiness.port)
        readiness.start()
    seconds = chosen.figures_seconds
    heartbeat = Heartbeat(parts, port, seconds) if seconds else None
    Lifecycle(server, port, parts, _watchdog(server, parts), heartbeat).run()
    if parts.workers.held:
        # A handler that outlives its grace would hold up the exit for as long as it likes.
        os._exit(0)


def _watchdog(server: "grpc.Server", parts: "Parts") -> "Watchdog | None":
    """Return what watches the server, where systemd listens and it is wanted."""
    if not parts.settings.watchdog or "NOTIFY_SOCKET" not in os.environ:
        return None
    from saudacao.watchdog import Watchdog

    try:
        return Watchdog(server, parts.settings.watchdog, parts.log)
    except OSError as error:
        parts.log.warning("watchdog", message=f"nothing watches the server: {error}")
        return None


if __name__ == "__main__":
    main()
