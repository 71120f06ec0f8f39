"""Says on standard error how a probe stands, for programs that decide while it still calls."""

import json
import sys
import threading
import time

from saudacao.tally import Tally


class Progress:
    """Writes the tally's summary as a line of JSON after the first call, then every `seconds`."""

    def __init__(self, tally: Tally, seconds: float) -> None:
        self._tally = tally
        self._seconds = seconds
        self._started = time.monotonic()
        self._due = self._started
        self._writing = threading.Lock()

    def note(self) -> None:
        """Write a line if its time has come; may be called from several threads."""
        with self._writing:
            now = time.monotonic()
            if now < self._due:
                return
            self._due = now + self._seconds
            summary = self._tally.summary(now - self._started, interrupted=False)
            del summary["request_ids"]
            summary["at"] = round(time.time(), 3)
            sys.stderr.write(json.dumps(summary, ensure_ascii=False) + "\n")
            sys.stderr.flush()
