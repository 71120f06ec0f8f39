"""What the shipper talks to: a journal, and CloudWatch Logs."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from log_ship.cloud import CloudWatch
from log_ship.journal import Journal

START = 1_795_628_516_000_000
# Entries after the cursor that it is told, then nothing more: as with --follow.
JOURNALCTL = """\
#!{python}
import pathlib, sys, time
entries = pathlib.Path("{folder}/entries")
words = [word for word in sys.argv if word.startswith("--after-cursor=")]
after = int(words[0].partition("=c")[2]) if words else -1
number = 0
while True:
    for line in entries.read_text().splitlines()[number:]:
        if number > after:
            print(line, flush=True)
        number += 1
    time.sleep(0.02)
"""
JournalFactory = Callable[..., Journal]


class FakeJournal:
    """A journal in a file; each entry's cursor is its number."""

    def __init__(self, folder: Path) -> None:
        self.kept = folder / "cursor"
        self.command = folder / "journalctl"
        self.command.write_text(JOURNALCTL.format(python=sys.executable, folder=folder))
        self.command.chmod(0o755)
        self._entries = folder / "entries"
        self._entries.touch()
        self._count = 0

    def add(self, message: str, unit: str = "saudacao@r1.service", **fields: str) -> None:
        """Write an entry, a second after the one before."""
        entry = {
            "__CURSOR": f"c{self._count}",
            "__REALTIME_TIMESTAMP": str(START + self._count * 1_000_000),
            "_SYSTEMD_UNIT": unit,
            "MESSAGE": message,
            **fields,
        }
        with self._entries.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._count += 1

    def add_call(self, number: int, **fields: object) -> str:
        """Write the line of a call, and return it."""
        line = {"time": "2026-11-25T17:41:56.789Z", "event": "call", "number": number, **fields}
        self.add(text := json.dumps(line))
        return text


@pytest.fixture
def fake(tmp_path: Path) -> FakeJournal:
    return FakeJournal(tmp_path)


@pytest.fixture
def open_journal(fake: FakeJournal) -> Iterator[JournalFactory]:
    """Open the journal as a shipper does that is started."""
    with ExitStack() as stack:

        def opened() -> Journal:
            journal = Journal(["saudacao@*.service"], fake.kept, str(fake.command))
            stack.callback(journal.close)
            return journal

        yield opened


class FakeCloudWatch(ThreadingHTTPServer):
    """CloudWatch Logs with one group and no stream; `refusing` is the error that it gives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.streams: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.refusing = ""
        self.poison = ""

    @property
    def lines(self) -> list[str]:
        return [event["message"] for events in self.streams.values() for event in events]

    def answer(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(action)
        if self.refusing:
            return 400, {"__type": self.refusing, "message": "not now"}
        stream = asked["logStreamName"]
        if action == "CreateLogStream":
            self.streams[stream] = []
        elif stream not in self.streams:
            return 400, {"__type": "ResourceNotFoundException", "message": "no stream"}
        elif self.poison and any(self.poison in one["message"] for one in asked["logEvents"]):
            return 400, {"__type": "InvalidParameterException", "message": "poison"}
        else:
            self.streams[stream] += asked["logEvents"]
        return 200, {}


class _Handler(BaseHTTPRequestHandler):
    server: FakeCloudWatch

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].partition(".")[2]
        status, answer = self.server.answer(action, asked)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def logs() -> Iterator[FakeCloudWatch]:
    with FakeCloudWatch() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cloudwatch(logs: FakeCloudWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    endpoint = tmp_path / "endpoint"
    endpoint.write_text(f"http://127.0.0.1:{logs.server_port}\n")
    return CloudWatch("us-east-1", "/demo/server", "i-1", str(endpoint))
