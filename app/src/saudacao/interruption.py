"""SIGINT and SIGTERM: the first ends the work in order, the second the process at once."""

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Waits in the main thread for work, or for a signal that ends it.

    The kernel gives a signal to any thread, and Python handles it in the main one, which sleeps
    on in Thread.join() when another one got it. So it waits for a byte instead: a signal writes
    one whichever thread it reaches, and so does the end of the work.
    """

    def __init__(self) -> None:
        self.received = False
        self._stop: Callable[[], None] | None = None
        self._inside, self._outside = socket.socketpair()
        self._outside.setblocking(False)
        signal.set_wakeup_fd(self._outside.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def run(self, work: Callable[[], Result], stop: Callable[[], None]) -> Result:
        """Do `work` in a thread and return its result; a signal, also an earlier one, stops it."""
        self._stop = stop
        if self.received:
            stop()
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(work)
            future.add_done_callback(lambda _: self._outside.send(b"\0"))
            while not future.done():
                self._inside.recv(1)
            return future.result()

    def _receive(self, number: int, _frame: object) -> None:
        if self.received:
            os._exit(128 + number)
        self.received = True
        if self._stop is not None:
            self._stop()
