"""Structured logs: one JSON object a line on standard error, in one write each."""

import logging
import os
import select
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

STANDARD_ERROR = 2
LONGEST_TRACEBACK = 16 * 1024
STALLED_AFTER = 1.0

# The id of the call that the current code works for, None outside of one.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_writing = threading.Lock()


class Log:
    """Writes events of one release to a file descriptor (standard error by default)."""

    def __init__(self, release: str, descriptor: int = STANDARD_ERROR) -> None:
        self.release = release
        self.descriptor = descriptor

    def info(self, event: str, **fields: object) -> None:
        """Write an event of normal operation."""
        self.write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write an event that somebody should look at."""
        self.write("warning", event, fields)

    def failure(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Write a failure, with the error's type, text and traceback if one is given."""
        if error is not None:
            text = "".join(traceback.format_exception(error))
            fields |= {"error": f"{type(error).__name__}: {error}"}
            fields |= {"traceback": text[-LONGEST_TRACEBACK:]}
        self.write("error", event, fields)

    def write(self, level: str, event: str, fields: dict[str, object]) -> None:
        """Write one line; `fields` follow the time, the level, the event and the release."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": now, "level": level, "event": event, "release": self.release} | fields
        _write(self.descriptor, _encode(line))


class LogHandler(logging.Handler):
    """Passes the records of Python's logging on, so that libraries write JSON too."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event "log", with its logger's name and the call's id."""
        fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
        if (identity := request_id.get()) is not None:
            fields["request_id"] = identity
        if record.exc_info and record.exc_info[1]:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            fields["traceback"] = text[-LONGEST_TRACEBACK:]
        self._log.write(record.levelname.lower(), "log", fields)


def _encode(line: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # such as text that is no valid Unicode
        safe = {key: ascii(value) for key, value in line.items()}
        return orjson.dumps(safe, option=orjson.OPT_APPEND_NEWLINE)


def _write(descriptor: int, line: bytes) -> None:
    """Write all of `line`: the journal's socket may take a part of it, or nothing for a while.

    A reader that takes nothing for a second loses the line, not the server its worker.
    """
    with _writing:
        while line:
            try:
                line = line[os.write(descriptor, line) :]
            except BlockingIOError:
                if not select.select([], [descriptor], [], STALLED_AFTER)[1]:
                    return
            except OSError:
                return
