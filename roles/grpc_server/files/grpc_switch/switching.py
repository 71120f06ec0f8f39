"""The switch: the order in which a host goes from one release to another, and back.

Two rules hold at every step, so that a host which dies anywhere comes up with a release that
passed its checks: the release in the map file is always enabled, and the previous one stays
enabled and serving until the switch is confirmed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import journal, mapping
from .certificates import Certificates, require_answer
from .install import Releases
from .instances import Instances
from .mapping import Record
from .system import RefusedError, locked, run

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config

FOREVER = float("inf")


@dataclass(frozen=True)
class Switch:
    """Everything that changes which release takes new connections. The caller holds the lock."""

    config: Config

    @property
    def instances(self) -> Instances:
        """The host's running releases."""
        return Instances(self.config)

    def install(self, archive: Path) -> dict[str, Any]:
        """Install a release from its archive, after what an interrupted run left is in order."""
        self.reconcile()
        return Releases(self.config).install(archive, self._running())

    def switch(self, release: str, within: float, by_run: str | None = None) -> dict[str, Any]:
        """Send new connections to a release, provisionally: `confirm` within seconds, or undone.

        `by_run` is the run whose end is journaled when the host undoes it. RefusedError leaves
        the release that was in use serving.
        """
        Releases(self.config).require(release)
        before = mapping.read(self.config)
        if before.provisional and before.release != release:
            self._undo(before)
        self.reconcile()
        old = mapping.read(self.config)
        confirm_by = time.time() + within
        if old.release == release:
            record = replace(old, run=by_run or old.run)
            changed = self._renew(record, release, confirm_by) or before.release != release
            return _answer(changed, mapping.read(self.config))
        run("systemctl", "restart", self.config.watch_unit)
        begin = time.monotonic()
        port = self._bring_up(release)
        ready = time.monotonic()
        self._move(old, Record(release, port, _history(old, release), confirm_by, by_run))
        seconds = {"ready": ready - begin, "switched": time.monotonic() - begin}
        moment = {"seconds": seconds, "at": time.time()}
        return {**_answer(True, mapping.read(self.config)), **moment}

    def confirm(self, release: str | None) -> dict[str, Any]:
        """Make the switch final: the previous release finishes its calls and ends.

        RefusedError when another release than the one named is in use.
        """
        record = mapping.read(self.config)
        if release not in {None, record.release}:
            raise RefusedError(
                f"release {release} is not in use, {record.release} is: the switch was undone,"
                " or another one followed. Nothing was changed"
            )
        if record.provisional:
            mapping.write(self.config, replace(record, confirm_by=None, run=None))
        self.reconcile()
        if record.provisional:
            # Not earlier: it puts in order what a confirmation that is killed leaves.
            run("systemctl", "stop", "--no-block", self.config.watch_unit)
        answer = _answer(record.provisional, mapping.read(self.config))
        return {**answer, "removed": self._remove_old()}

    def undo(self, release: str) -> dict[str, Any]:
        """Undo the provisional switch to a release, which is stopped: somebody found it bad.

        Nothing is done when it is not in use, or confirmed.
        """
        record = mapping.read(self.config)
        undone = record.provisional and record.release == release
        if undone:
            self._undo(record)
            self.instances.stop(release)
            run("systemctl", "stop", "--no-block", self.config.watch_unit)
        return _answer(undone, mapping.read(self.config))

    def back(self) -> dict[str, Any]:
        """Undo a provisional switch, or return to the release before the confirmed one.

        A confirmed one may finish its calls.
        """
        record = mapping.read(self.config)
        if record.provisional and record.release:
            return self.undo(record.release)
        if record.previous:
            target = record.previous[0]
            Releases(self.config).require(target)
            port = self._bring_up(target)
            self._move(record, Record(target, port, _history(record, target)))
            self.reconcile()
        else:
            raise RefusedError("there is no release to go back to on this host")
        return _answer(True, mapping.read(self.config))

    def reconcile(self) -> None:
        """Finish or undo what an interrupted run left, and an overdue provisional switch."""
        record = mapping.read(self.config)
        if record.confirm_by is not None and record.confirm_by <= time.time():
            self._undo(record)
            self._note_undone(record)
            record = mapping.read(self.config)
        if not mapping.is_loaded(self.config):
            mapping.load(self.config)
        kept = _in_use(record)
        for release in kept:
            self.instances.enable(release)
        for release in (self.instances.enabled() | set(self._running())) - kept:
            self.instances.drain(release)
        Certificates(self.config).finish()

    def watch(self) -> None:
        """Wait for the deadline of a provisional switch and undo it; return when there is none.

        The lock is free only when no switch is going on, or the one that was has died: then
        what it left is put in order here.
        """
        while True:
            with locked(self.config.lock, FOREVER):
                self.reconcile()
                deadline = mapping.read(self.config).confirm_by
            if deadline is None:
                return
            time.sleep(max(0.0, deadline - time.time()))

    def _renew(self, record: Record, release: str, confirm_by: float) -> bool:
        """Have the release in use serve, and begin its deadline anew; tell whether it had ended."""
        ended = self.instances.state(release) != "active"
        if ended:
            self.instances.start(release, self._port_of(record))
        self.instances.check(release, self.config.port)
        if record.provisional:
            mapping.write(self.config, replace(record, confirm_by=confirm_by))
            run("systemctl", "restart", self.config.watch_unit)
        return ended

    def _bring_up(self, release: str) -> int:
        """Have a release serve on a port of its own; on RefusedError it is stopped again."""
        port = self.instances.resume(release)
        if port is not None:
            try:
                self.instances.check(release, port)
            except RefusedError:
                # Its drain was over: it has stopped listening and is about to end.
                self.instances.stop(release)
            else:
                return port
        port = self.instances.free_port(after=mapping.read(self.config).port)
        try:
            self.instances.start(release, port)
            self.instances.check(release, port)
        except RefusedError:
            self.instances.stop(release)
            raise
        return port

    def _move(self, old: Record, new: Record) -> None:
        """Map to a release that serves; when the public port then does not answer, map back."""
        release = new.release or ""
        try:
            self.instances.enable(release)
            mapping.write(self.config, new)
        except RefusedError:
            self.instances.stop(release)
            raise
        try:
            mapping.load(self.config)
            # What answers was checked on its own port; this is whether the map leads to it.
            require_answer(self.config)
        except RefusedError:
            mapping.write(self.config, old)
            mapping.load(self.config)
            self.instances.stop(release)
            raise

    def _undo(self, record: Record) -> None:
        """Map back to the previous release, which still serves; without one the host is empty.

        The other one still runs: `reconcile` lets it end its calls, or the caller stops it.
        """
        target = next(iter(record.previous), None)
        former = Record()
        if target is not None:
            port = self.instances.resume(target) or self._bring_up(target)
            former = Record(target, port, record.previous[1:])
            self.instances.enable(target)
        mapping.write(self.config, former)
        mapping.load(self.config)

    def _note_undone(self, record: Record) -> None:
        """Journal that the host went back by itself; a full disk must not keep it from that."""
        if record.run is None:
            return
        why = f"{record.release} was not confirmed in time: the host went back by itself"
        try:
            journal.end(self.config, record.run, {"outcome": "undone", "reason": why})
        except RefusedError as error:
            sys.stderr.write(f"{why}. {error}\n")

    def _running(self) -> list[str]:
        states = self.instances.loaded()
        ended = {"inactive", "deactivating"}
        return [name for name, unit in states.items() if unit["ActiveState"] not in ended]

    def _port_of(self, record: Record) -> int:
        if record.port is None:
            raise RefusedError(f"{self.config.map_file} names a release without a port")
        return record.port

    def _remove_old(self) -> list[str]:
        record = mapping.read(self.config)
        in_use = [*_in_use(record), *self._running()]
        removed = Releases(self.config).remove_old(in_use, record.previous)
        for release in removed:
            self.instances.forget(release)
        return removed


def _in_use(record: Record) -> set[str]:
    kept = {record.release} if record.release else set()
    return kept | set(record.previous[:1]) if record.provisional else kept


def _history(old: Record, release: str) -> tuple[str, ...]:
    names = [old.release, *old.previous]
    return tuple(name for name in names if name and name != release)[:10]


def _answer(changed: bool, record: Record) -> dict[str, Any]:
    return {
        "changed": changed,
        "release": record.release,
        "port": record.port,
        "previous": list(record.previous),
        "provisional": record.provisional,
    }
