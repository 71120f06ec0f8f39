"""The threads that handle calls, and how many calls they hold.

Not a ThreadPoolExecutor: the future that it makes for each call, of which gRPC asks only to be told
of its end, costs a tenth of all that a short call costs (`python -m bench.server` has the whole).
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

logger = logging.getLogger(__name__)

Function = Callable[..., object]


class Work:
    """A call to handle, and whom to tell when that is done."""

    __slots__ = ("_arguments", "_callbacks", "_function", "_is_done")

    def __init__(self, function: Function, arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._callbacks: list[Callable[[Work], None]] = []
        self._is_done = False

    def add_done_callback(self, callback: "Callable[[Work], None]") -> None:
        """Have `callback` called with this object when the work is done, or now if it is."""
        self._callbacks.append(callback)
        if self._is_done:
            self._tell()

    def run(self) -> None:
        """Do it; an error goes to the log."""
        try:
            self._function(*self._arguments)
        except BaseException:
            logger.exception("a worker's call failed outside of its handler")

    def finish(self) -> None:
        """Say that it is done."""
        self._is_done = True
        self._tell()

    def _tell(self) -> None:
        """Call each callback once, though two threads may come here at the same time."""
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:
                return
            callback(self)


class Workers:
    """Up to `threads` threads, started as they are needed, and a queue of calls that wait for one.

    gRPC submits calls from one thread; they end on many.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self.capacity = threads + queue
        self.size = threads
        self._started = 0
        self._waiting: SimpleQueue[Work] = SimpleQueue()
        # A mark for each call: adding one, taking one away and counting them need no lock.
        self._marks: deque[None] = deque()
        self._moved = 0.0

    @property
    def held(self) -> int:
        """The number of calls in the pool: those handled and those waiting."""
        return len(self._marks)

    @property
    def full(self) -> bool:
        """Whether one more call would be more than the threads and the queue take."""
        return len(self._marks) >= self.capacity

    @property
    def stalled(self) -> float:
        """For how many seconds every thread has been busy and none has become free; or 0."""
        moved = self._moved
        return time.monotonic() - moved if self.held >= self.size else 0.0

    def submit(self, function: Function, /, *arguments: Any) -> Work:
        """Have a thread call the function; the result is not kept."""
        work = Work(function, arguments)
        self._marks.append(None)
        held = len(self._marks)
        if held == self.size:
            self._moved = time.monotonic()
        # Where the system gives no further thread, those that there are still handle the call.
        self._waiting.put(work)
        if self._started < min(held, self.size):
            Thread(target=self._work, name=f"worker_{self._started}", daemon=True).start()
            self._started += 1
        return work

    def _work(self) -> None:
        while True:
            work = self._waiting.get()
            work.run()
            self._marks.pop()
            if len(self._marks) >= self.size:
                self._moved = time.monotonic()
            work.finish()
            # Nothing of a call is kept while waiting for the next one.
            del work
