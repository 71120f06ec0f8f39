"""Writes figures to the log, again and again: who reads them knows that the process lives."""

import time
from collections.abc import Callable
from threading import Event, Thread

from saudacao.logs import Log


class Beats:
    """Writes the event "figures" every `seconds` seconds; the first when it is started."""

    def __init__(self, log: Log, seconds: float, figures: Callable[[], dict[str, object]]) -> None:
        self._log = log
        self._seconds = seconds
        self._figures = figures
        self._thread = Thread(target=self._beat, name="beats", daemon=True)

    def start(self) -> None:
        """Write from now on, until the process ends."""
        self._thread.start()

    def _beat(self) -> None:
        began, beats, never = time.monotonic(), 0, Event()
        while True:
            self._log.info("figures", **self._figures())
            beats += 1
            never.wait(max(0.0, began + beats * self._seconds - time.monotonic()))
