"""The lease that keeps two runs from changing this host's service at the same time.

A run takes it for some seconds and renews it while it lives. It gives it back at its end; one that
is cut off blocks nobody for longer than those seconds.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .system import RefusedError, locked, write_atomically

if TYPE_CHECKING:
    from .config import Config

LOST = (
    "the lease of this run has lapsed, and another run has had it since. Nothing was changed;"
    " start it again"
)


@dataclass(frozen=True)
class Lease:
    """Who may change the service now. RefusedError names the holder, when it is another."""

    config: Config

    def holder(self) -> dict[str, Any] | None:
        """Return the run that holds it: `id`, `action`, `by`, `from`, `since`, `until`, `seconds`.

        None when nobody does. A clock that was set back does not make a lease longer.
        """
        last = self._last()
        return last if last is not None and 0 < _left(last) <= last["seconds"] else None

    def take(self, run: str, intent: dict[str, Any], seconds: float) -> None:
        """Take it for `seconds`, from nobody or from the same run."""
        with self._changing():
            self._refuse_others(run)
            who = {key: intent.get(key) for key in ("action", "by", "from")}
            self._write({"id": run, **who, "since": time.time(), "seconds": seconds}, seconds)

    def renew(self, run: str) -> float:
        """Begin the run's lease anew; return until when, in seconds since 1970."""
        with self._changing():
            last = self.require(run)
            return self._write(last, last["seconds"])

    def require(self, run: str) -> dict[str, Any]:
        """Return the run's lease, unless another run has it, or has had it since.

        One that has lapsed or was given back will do: a step that was on its way may end, and
        makes nobody wait who comes next.
        """
        self._refuse_others(run)
        last = self._last()
        if last is None or last["id"] != run:
            raise RefusedError(LOST)
        return last

    def give_back(self, run: str) -> None:
        """End the run's lease; that of another one is left alone."""
        with self._changing():
            held = self.holder()
            if held is not None and held["id"] == run:
                self._write(held, 0)

    def _last(self) -> dict[str, Any] | None:
        """Return the lease that was taken last, whether or not it still runs."""
        try:
            last: dict[str, Any] = json.loads(self.config.lease.read_text())
            _left(last)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return last

    def _refuse_others(self, run: str) -> None:
        held = self.holder()
        if held is not None and held["id"] != run:
            raise RefusedError(refusal(held))

    def _write(self, held: dict[str, Any], seconds: float) -> float:
        until = time.time() + seconds
        write_atomically(self.config.lease, json.dumps({**held, "until": until}) + "\n")
        return until

    def _changing(self) -> Any:
        return locked(self.config.lock.with_name(self.config.lock.name + "-lease"))


def refusal(held: dict[str, Any]) -> str:
    """Say who holds a lease, since when, for what, and how long it lasts."""
    since = datetime.fromtimestamp(held["since"], timezone.utc)
    return (
        f"{held['by']} on {held['from']} holds the lock since {since:%Y-%m-%d %H:%M:%S} UTC"
        f" for: {held['action']}. It lapses in {_left(held):.0f} s unless that run renews it."
        " Nothing was changed; try again when it has ended"
    )


def _left(lease: dict[str, Any]) -> float:
    left: float = lease["until"] - time.time()
    return left
