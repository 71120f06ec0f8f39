"""The service's own client, which calls from outside during a whole row."""

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.e2e.environment import BIN, Environment

COMMAND = (
    *("--json", "--progress", "0.25", "--mixed", "--concurrency", "6"),
    *("--rate", "40", "--duration", "900", "--timeout", "5"),
)
START_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """What the client counted, and for how long calls failed: from the first to the last."""

    calls: int
    failed: int
    wrong: int
    by_status: dict[str, int]
    outage_seconds: float
    first_failure: dict[str, Any] | None


class Client:
    """A client that calls until `stop`, without retries."""

    def __init__(self, environment: Environment, command: Sequence[str] = COMMAND) -> None:
        self._process = subprocess.Popen(
            [BIN / "saudacao-client", *command],
            env=environment.process_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._called = threading.Event()
        self._last = {"failed": 0, "wrong": 0}
        self._last_failure = 0.0
        self.calls = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._called.wait(START_SECONDS), "the client has not called"

    def await_calls(self, more: int, seconds: float) -> None:
        """Wait for so many more calls."""
        wanted, deadline = self.calls + more, time.monotonic() + seconds
        while self.calls < wanted:
            assert time.monotonic() < deadline, f"not {more} more calls within {seconds:.0f} s"
            time.sleep(0.1)

    def stop(self) -> Seen:
        """End it and return what it saw."""
        self._process.terminate()
        assert self._process.stdout
        summary = json.loads(self._process.stdout.read())
        self._process.wait(30)
        self._reader.join(30)
        self._note(summary)
        return Seen(
            summary["calls"],
            summary["failed"],
            summary["wrong"],
            summary["by_status"],
            self._outage(summary["first_failure"]),
            summary["first_failure"],
        )

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            if line.startswith("{"):
                self._note(json.loads(line))
                self._called.set()

    def _note(self, summary: dict[str, Any]) -> None:
        self.calls = summary["calls"]
        counts = {key: summary[key] for key in self._last}
        if counts != self._last:
            self._last, self._last_failure = counts, time.time()

    def _outage(self, first: dict[str, Any] | None) -> float:
        if first is None:
            return 0.0
        began = datetime.fromisoformat(first["at"]).timestamp()
        return round(self._last_failure - began, 1)
