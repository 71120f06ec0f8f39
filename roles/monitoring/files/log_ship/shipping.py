"""Lines from the journal to their target, again and again until it has taken them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .journal import Journal, Line

# Seconds between two looks, so that a busy service's lines go in few requests.
PAUSE = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class NotTakenError(Exception):
    """The target has not taken lines; the text says why."""


class Target(Protocol):
    """Where lines are shipped to."""

    def take(self, lines: Sequence[Line], say: Callable[[str, str], None]) -> int:
        """Take the first of some lines, and return how many; NotTakenError when it cannot."""


class Shipping:
    """Ships, and says in its own log when that fails, why, and when it goes on."""

    def __init__(
        self,
        journal: Journal,
        target: Target,
        say: Callable[[str, str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._journal = journal
        self._target = target
        self._say = say
        self._sleep = sleep
        self._trouble = ""
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        """Ship for good."""
        while True:
            self.step(60)

    def step(self, seconds: float) -> None:
        """Wait for lines and ship what there is, or wait longer after each failure."""
        if not self._journal.wait(seconds):
            return
        try:
            while lines := self._journal.lines():
                self._journal.shipped(self._target.take(lines, self._say))
                self._recovered()
        except (NotTakenError, OSError) as error:
            self._failed(str(error))
            return
        self._sleep(PAUSE)

    def _failed(self, reason: str) -> None:
        if reason != self._trouble:
            self._say("warning", f"lines wait in the journal: {reason}")
        self._trouble = reason
        # Hosts that were turned away together do not come back together.
        self._sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _recovered(self) -> None:
        if self._trouble:
            self._say("info", "lines are taken again")
        self._trouble, self._pause = "", FIRST_PAUSE
