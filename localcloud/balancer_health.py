"""Health checks: real calls from a balancer's address to its targets."""

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from localcloud import network
from localcloud.balancer_rules import Endpoint
from localcloud.settings import Settings

logger = logging.getLogger("localcloud")


@dataclass(frozen=True)
class Check:
    """One health check.

    Attributes:
        source: The balancer's address that calls.
        target: Whom it calls.
        interval: Seconds from one check to the next.
        timeout: Seconds to wait for the answer.
        path: What to GET; empty for a check by TCP.
        codes: Statuses that are healthy, such as "200-299,301".

    """

    source: str
    target: Endpoint
    interval: float
    timeout: float
    path: str = ""
    codes: str = ""


def matches(status: int, codes: str) -> bool:
    """Say whether a status is among codes such as "200-299,301"."""
    for part in codes.split(","):
        first, _, last = part.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def probe(settings: Settings, check: Check) -> str:
    """Call a target once; return what is wrong with it, "" when it is healthy."""
    try:
        with network.router_socket(settings, check.source) as caller:
            caller.settimeout(check.timeout)
            caller.connect((str(check.target.address), check.target.port))
            return _status(caller, check) if check.path else ""
    except TimeoutError:
        return f"no answer within {check.timeout:.0f} s"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"


def _status(caller: socket.socket, check: Check) -> str:
    connection = http.client.HTTPConnection(str(check.target.address), check.target.port)
    connection.sock = caller
    headers = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
    connection.request("GET", check.path, headers=headers)
    status = connection.getresponse().status
    return "" if matches(status, check.codes) else f"status {status} is not in {check.codes}"


class Checker:
    """Checks one target until it is stopped, in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        check: Callable[[], Check],
        report: Callable[["Checker", str], None],
    ) -> None:
        self._settings = settings
        self._check = check
        self._report = report
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def stop(self) -> None:
        """Report nothing any more."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether it has been stopped."""
        return self._stopped.is_set()

    def _run(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            began = time.monotonic()
            try:
                check = self._check()
                self._report(self, probe(self._settings, check))
            except Exception:
                # The record changes under it: a balancer or group may just have been removed.
                logger.exception("health check")
                wait = 1.0
            else:
                wait = max(0.0, check.interval - (time.monotonic() - began))
