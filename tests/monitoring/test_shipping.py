"""The shipper: each line arrives, in whatever order things fail; none is read before its turn."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from log_ship.cloud import LONGEST_EVENT, MOST_EVENTS, CloudWatch, cut, fitting
from log_ship.journal import Line, read
from log_ship.pages import Pages
from log_ship.shipping import Shipping, Target

from tests.monitoring.conftest import FakeCloudWatch, FakeJournal, JournalFactory


class Run:
    """A shipper that does not wait, and what it said and how long it would have waited."""

    def __init__(self, open_journal: JournalFactory, target: Target) -> None:
        self.said: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.shipping = Shipping(
            open_journal(), target, lambda *words: self.said.append(words), self.pauses.append
        )

    def step(self) -> None:
        """Ship what comes within a while, which is enough for a journal to begin."""
        self.shipping.step(20)

    def until(self, holds: Callable[[], bool]) -> None:
        """Ship until something holds."""
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end
            self.shipping.step(0.1)


@pytest.fixture
def run(open_journal: JournalFactory, cloudwatch: CloudWatch) -> Run:
    return Run(open_journal, cloudwatch)


def test_lines_arrive_as_they_are_at_their_own_time(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run
) -> None:
    line = fake.add_call(1, code="OK")
    run.step()
    (event,) = logs.streams["i-1"]
    assert event == {"timestamp": 1_795_628_516_789, "message": line}
    assert run.said == []


def test_what_systemd_says_comes_in_the_same_form(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run
) -> None:
    fake.add("Started it", "init.scope", UNIT="saudacao@r1.service", PRIORITY="4")
    run.step()
    assert json.loads(logs.lines[0]) == {
        "time": "2026-11-25T17:41:56.000Z",
        "level": "warning",
        "event": "log",
        "unit": "saudacao@r1.service",
        "message": "Started it",
    }


def test_lines_of_other_units_are_not_shipped(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run
) -> None:
    fake.add("secret", "sshd.service")
    fake.add("a client's", "saudacao-client.service")
    wanted = fake.add_call(1)
    run.step()
    assert logs.lines == [wanted]


def test_a_unit_that_comes_later_is_shipped_too(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run
) -> None:
    fake.add_call(1)
    run.step()
    fake.add("{}", "saudacao@r2.service")
    run.step()
    assert [json.loads(line).get("unit") for line in logs.lines] == [None, "saudacao@r2.service"]


@pytest.mark.parametrize("error", ["ThrottlingException", "AccessDeniedException"])
def test_lines_that_are_not_taken_wait_and_arrive_once(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run, error: str
) -> None:
    logs.refusing = error
    wanted = [fake.add_call(number) for number in range(3)]
    for _ in range(8):
        run.step()
    assert not fake.kept.exists()
    logs.refusing = ""
    wanted.append(fake.add_call(3))
    run.until(lambda: len(logs.lines) >= len(wanted))
    assert logs.lines == wanted
    # One word when it begins and one when it ends; each pause is longer, up to a limit.
    assert [level for level, _ in run.said] == ["warning", "info"]
    assert error in run.said[0][1]
    assert run.pauses[0] <= 1
    assert 15 <= run.pauses[7] <= 30


def test_an_endpoint_that_is_away_loses_nothing(
    fake: FakeJournal, logs: FakeCloudWatch, open_journal: JournalFactory, cloudwatch: CloudWatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    away = tmp_path / "away"
    away.write_text("http://127.0.0.1:9\n")
    wanted = [fake.add_call(number) for number in range(5)]
    lost = Run(open_journal, CloudWatch("us-east-1", "/demo/server", "i-1", str(away)))
    lost.step()
    assert "127.0.0.1:9" in lost.said[0][1]
    Run(open_journal, cloudwatch).until(lambda: len(logs.lines) >= len(wanted))
    assert logs.lines == wanted


def test_a_shipper_that_is_started_again_goes_on_where_it_was(
    fake: FakeJournal, logs: FakeCloudWatch, open_journal: JournalFactory, cloudwatch: CloudWatch
) -> None:
    first = fake.add_call(1)
    Run(open_journal, cloudwatch).step()
    second = fake.add_call(2)
    Run(open_journal, cloudwatch).step()
    assert logs.lines == [first, second]


def test_a_line_that_nobody_takes_is_dropped_alone_and_said(
    fake: FakeJournal, logs: FakeCloudWatch, run: Run
) -> None:
    logs.poison = "bad"
    wanted = [fake.add_call(number) for number in range(4)]
    fake.add_call(4, code="bad")
    wanted.append(fake.add_call(5))
    run.until(lambda: len(logs.lines) >= len(wanted))
    assert logs.lines == wanted
    assert [level for level, _ in run.said] == ["error"]


def line(text: str, time: int = 0) -> Line:
    return Line("c", time, text)


def test_a_request_has_no_more_than_it_may() -> None:
    assert fitting([line("x")] * (MOST_EVENTS + 5)) == MOST_EVENTS
    # 1 MiB, each event counting 26 bytes more than its text.
    assert fitting([line("x" * 1022)] * 2000) == 1000
    day = 24 * 3600 * 1000
    assert fitting([line("x"), line("x", day - 1), line("x", day)]) == 2
    assert fitting([line("x", day), line("x")]) == 1
    assert len(cut("ã" * 200_000).encode()) <= LONGEST_EVENT
    assert cut("") == " "


def test_many_lines_go_in_few_requests(fake: FakeJournal, logs: FakeCloudWatch, run: Run) -> None:
    for number in range(2000):
        fake.add_call(number)
    run.until(lambda: len(logs.lines) >= 2000)
    assert logs.requests.count("PutLogEvents") < 100


def test_events_of_a_request_are_in_the_order_of_time(
    logs: FakeCloudWatch, cloudwatch: CloudWatch
) -> None:
    assert cloudwatch.take([line("b", 2), line("a", 1), line("c", 2)], lambda *_: None) == 3
    assert logs.lines == ["a", "b", "c"]


def test_a_line_that_is_no_text_is_shipped() -> None:
    entry = {"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1", "_SYSTEMD_UNIT": "a@b"}
    found = read(json.dumps({**entry, "MESSAGE": [255, 104, 105]}).encode(), ["a@*"])
    assert found is not None
    assert json.loads(found.text)["message"] == "\ufffdhi"


def test_an_agents_file_has_a_line_each_and_is_not_without_end(
    fake: FakeJournal, open_journal: JournalFactory, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    run = Run(open_journal, Pages(path, most_bytes=500))
    wanted = []
    for number in range(20):
        wanted.append(fake.add_call(number))
        run.step()
    before, now = (tmp_path / name for name in ("lines.jsonl.1", "lines.jsonl"))
    kept = (before.read_text() + now.read_text()).splitlines()
    assert kept == wanted[-len(kept) :]
    assert 2 < len(kept) < 20
    assert max(before.stat().st_size, now.stat().st_size) <= 500
    assert path.stat().st_mode & 0o007 == 0


def test_a_full_disk_is_waited_for(
    fake: FakeJournal, open_journal: JournalFactory, tmp_path: Path
) -> None:
    folder = tmp_path / "away"
    run = Run(open_journal, Pages(folder / "lines.jsonl"))
    wanted = fake.add_call(1)
    run.step()
    folder.mkdir()
    run.step()
    assert (folder / "lines.jsonl").read_text() == wanted + "\n"
    assert [level for level, _ in run.said] == ["warning", "info"]
