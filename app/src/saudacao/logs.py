"""Structured logs: one JSON object a line on standard error, whole lines in each write."""

import logging
import os
import select
import time
import traceback
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

import orjson

STANDARD_ERROR = 2
LONGEST_TRACEBACK = 16 * 1024
STALLED_AFTER = 1.0

# Lines that may wait are written together after so many seconds. A write for each would let go of
# Python's one lock in every call, and make all threads run for it.
TOGETHER = 0.1
# With a reader that takes nothing, the oldest lines are given up beyond so many.
MOST_WAITING = 10_000

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z

# The call that the current code works for: its id, and when it arrived (time.monotonic()). gRPC
# runs the interceptors and the handler of a call in one context, on different threads.
current_call: ContextVar[tuple[str, float]] = ContextVar("current_call")

# What becomes a line when it is written; until then its time is a number, the Unix time in seconds.
_Line = dict[str, Any]


class Log:
    """Writes events of one release to a file descriptor (standard error by default)."""

    def __init__(self, release: str, descriptor: int = STANDARD_ERROR) -> None:
        self.release = release
        self.descriptor = descriptor
        self._waiting: deque[_Line] = deque(maxlen=MOST_WAITING)
        self._some_wait = Event()
        self._writing = Lock()
        self._closed = False
        self._writer = Thread(target=self._write_waiting, name="log", daemon=True)
        self._writer.start()

    def soon(self, line: _Line) -> None:
        """Write a line together with others, within TOGETHER seconds.

        It begins with its `time` (Unix, in seconds), `level`, `event` and `release`, and is the
        log's from now on.
        """
        self._waiting.append(line)
        if not self._some_wait.is_set():
            self._some_wait.set()

    def info(self, event: str, **fields: object) -> None:
        """Write an event of normal operation."""
        self.write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write an event that somebody should look at."""
        self.write("warning", event, fields)

    def failure(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Write a failure, with the error's type, text and traceback if one is given."""
        self.write("error", event, fields if error is None else fields | describe(error))

    def write(self, level: str, event: str, fields: dict[str, object]) -> None:
        """Write one line; `fields` follow the time, the level, the event and the release."""
        line = {"time": time.time(), "level": level, "event": event, "release": self.release}
        self._waiting.append(line | fields)
        self.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        with self._writing:
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            _write(self.descriptor, b"".join(map(_encode, waiting)))

    def close(self) -> None:
        """Write the lines that wait, and end the thread that does. For the end of a server."""
        self._closed = True
        self._some_wait.set()
        self._writer.join()

    def _write_waiting(self) -> None:
        while not self._closed:
            self._some_wait.wait()
            time.sleep(TOGETHER)
            self._some_wait.clear()
            self.flush()


def describe(error: BaseException) -> dict[str, object]:
    """Return an error's type and text, and its traceback, as fields of a line."""
    text = "".join(traceback.format_exception(error))
    return {
        "error": f"{type(error).__name__}: {error}",
        "traceback": text[-LONGEST_TRACEBACK:],
    }


class LogHandler(logging.Handler):
    """Passes the records of Python's logging on, so that libraries write JSON too."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event "log", with its logger's name and the call's id."""
        fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
        if (call := current_call.get(None)) is not None:
            fields["request_id"], _ = call
        if record.exc_info and record.exc_info[1]:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            fields["traceback"] = text[-LONGEST_TRACEBACK:]
        self._log.write(record.levelname.lower(), "log", fields)


def _encode(line: _Line) -> bytes:
    line["time"] = datetime.fromtimestamp(line["time"], UTC)
    try:
        return orjson.dumps(line, str, _OPTIONS)
    except orjson.JSONEncodeError:  # such as text that is no valid Unicode
        safe = {key: value if key == "time" else ascii(value) for key, value in line.items()}
        return orjson.dumps(safe, option=_OPTIONS)


def _write(descriptor: int, lines: bytes) -> None:
    """Write all of `lines`: the journal's socket may take a part, or nothing for a while.

    A reader that takes nothing for a second loses them.
    """
    while lines:
        try:
            lines = lines[os.write(descriptor, lines) :]
        except BlockingIOError:
            if not select.select([], [descriptor], [], STALLED_AFTER)[1]:
                return
        except OSError:
            return
