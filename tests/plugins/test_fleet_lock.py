"""A fleet's lock: one run at a time, whoever dies blocks nobody for long, no line is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from plugins.module_utils.aws_cloud import Cloud as Aws
from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.fleet_lock import JOURNAL, LEASE, FleetLock, SharedObject, Version
from tests.conftest import ROOT, Cloud
from tests.grpc_server.host import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ANA = {"action": "deploy", "by": "ana", "from": "laptop", "release": "r1"}
KEYS = {"region": "us-east-1", "access_key": "local", "secret_key": "local"}
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
# The bucket tells time in whole seconds.
SHORT, LAPSED = 1, 2.1
# How long a playbook's lease is.
SECONDS = 8
AT_ONCE = 4


@dataclass(frozen=True)
class Bucket:
    """A bucket of a test's own, with the versions that a fleet's has."""

    name: str
    aws: dict[str, str]

    def lock(self) -> FleetLock:
        """What one control node knows of it."""
        return FleetLock(Aws(self.aws).s3, self.name)

    def put(self, key: str, text: str) -> None:
        """Write an object as nobody should."""
        Aws(self.aws).s3.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def delete(self, key: str) -> None:
        """Delete an object as the end of a deployment does."""
        Aws(self.aws).s3.delete_object(Bucket=self.name, Key=key)


@pytest.fixture(scope="module")
def endpoint(cloud: Cloud) -> str:
    return cloud.endpoint


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    made = Bucket(f"fleet-{uuid4().hex[:12]}", {"endpoint_url": endpoint, **KEYS})
    s3 = Aws(made.aws).s3
    s3.create_bucket(Bucket=made.name)
    s3.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    return made


@pytest.fixture
def lock(bucket: Bucket) -> FleetLock:
    return bucket.lock()


def test_a_second_run_learns_who_holds_it_since_when_for_what_and_how_long(
    bucket: Bucket,
) -> None:
    bucket.lock().begin("one", ANA, 60)
    with pytest.raises(StackError) as refusal:
        bucket.lock().begin("two", {**ANA, "by": "rui"}, 60)
    words = str(refusal.value)
    assert "ana on laptop holds the fleet's lock since 20" in words
    assert "for: deploy" in words
    assert "It lapses in 60 s" in words or "It lapses in 59 s" in words
    assert "Nothing was changed" in words
    assert [run["by"] for run in bucket.lock().runs()] == ["ana"]


def meet(monkeypatch: pytest.MonkeyPatch, reading: int) -> None:
    """Let no thread write before each of them has read the object so many times."""
    barrier, mine = threading.Barrier(AT_ONCE), threading.local()
    read = SharedObject.read

    def together(self: SharedObject) -> Version:
        found = read(self)
        mine.readings = getattr(mine, "readings", 0) + 1
        if mine.readings == reading:
            barrier.wait(30)
        return found

    monkeypatch.setattr(SharedObject, "read", together)


def test_of_many_at_once_one_gets_it(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(name: int) -> bool:
        with suppress(StackError):
            bucket.lock().begin(str(name), ANA, 60)
            return True
        return False

    meet(monkeypatch, reading=1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(taken, range(AT_ONCE))) == 1


def test_of_many_that_write_the_journal_at_once_no_line_is_lost(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.lock().begin("first", ANA, 60)
    # Whether there is a journal at all is looked at before.
    meet(monkeypatch, reading=2)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda n: bucket.lock().end(str(n), {"outcome": "done"}), range(AT_ONCE)))
    assert {run["id"] for run in bucket.lock().runs()} == {"first", *map(str, range(AT_ONCE))}


def test_the_same_run_may_take_it_again_and_says_what_comes_next(lock: FleetLock) -> None:
    lock.begin("one", {**ANA, "action": "provision"}, 60)
    first = lock.holder()
    lock.begin("one", ANA, 60)
    held = lock.holder()
    assert first
    assert held
    assert (held["action"], held["since"]) == ("deploy", first["since"])
    (run,) = lock.runs()
    assert (run["action"], run["outcome"]) == ("deploy", None)


def test_a_lease_that_is_not_renewed_lapses(lock: FleetLock) -> None:
    lock.begin("one", ANA, SHORT)
    time.sleep(LAPSED)
    assert lock.holder() is None
    lock.begin("two", ANA, 60)
    with pytest.raises(StackError, match="holds the fleet's lock"):
        lock.renew("one")


def test_a_run_that_was_cut_off_goes_on_unless_another_came_between(lock: FleetLock) -> None:
    lock.begin("one", ANA, SHORT)
    time.sleep(LAPSED)
    lock.renew("one")
    lock.end("one", None)
    lock.require("one")
    assert lock.holder() is None
    lock.begin("two", ANA, 60)
    lock.end("two", None)
    with pytest.raises(StackError, match="another run has had it since"):
        lock.require("one")


def test_a_renewed_lease_begins_anew(lock: FleetLock) -> None:
    lock.begin("one", ANA, 60)
    time.sleep(LAPSED)
    before = lock.holder()
    lock.renew("one")
    after = lock.holder()
    assert before
    assert after
    assert before["seconds_left"] < 59 <= after["seconds_left"]


def test_only_its_holder_gives_it_back(lock: FleetLock) -> None:
    lock.begin("one", ANA, 60)
    lock.end("two", None)
    assert lock.holder() is not None
    lock.end("one", None)
    assert lock.holder() is None


def test_a_wrong_clock_here_makes_no_lease_shorter(
    lock: FleetLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.begin("one", ANA, 60)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86400)
    with pytest.raises(StackError, match=r"lapses in (60|59) s"):
        lock.begin("two", ANA, 60)


def test_a_damaged_lease_is_nobodys(bucket: Bucket, lock: FleetLock) -> None:
    for text in ("{", "[]", "{}"):
        lock.begin("one", ANA, 60)
        bucket.put(LEASE, text)
        lock.begin("two", ANA, 60)
        lock.end("two", None)


def test_a_lease_that_went_with_its_deployment_is_not_made_anew(
    bucket: Bucket, lock: FleetLock
) -> None:
    lock.begin("one", ANA, 60)
    for key in (LEASE, JOURNAL):
        bucket.delete(key)
    lock.renew("one")
    lock.end("one", {"outcome": "done"})
    assert lock.holder() is None
    assert lock.runs() == []


# Playbooks that take it.


class Plays:
    """Playbooks of a test, for localhost."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self._folder = folder
        self._bucket = bucket
        self.gate = folder / "gate"
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": local}}}))

    def lock(self, **options: Any) -> dict[str, Any]:
        """Return the task that takes the lock, or with `state` another one of it."""
        common = {
            "bucket": self._bucket.name,
            "aws": self._bucket.aws,
            "directory": str(self._folder / "companions"),
            "entry": {"action": "deploy", "release": "r1"},
        }
        return {"fleet_lock": {**common, **options}}

    def wait(self) -> dict[str, Any]:
        """Return a task that lasts until the gate opens."""
        return {"ansible.builtin.wait_for": {"path": str(self.gate), "timeout": 60}}

    def start(self, *tasks: dict[str, Any]) -> subprocess.Popen[str]:
        """Start a playbook."""
        play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
        path = self._folder / f"{uuid4().hex}.yml"
        path.write_text(json.dumps([play]))
        return subprocess.Popen(
            [PLAYBOOK, "--inventory", self._folder / "hosts.yml", path], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={"ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml", "PATH": "/usr/bin:/bin",
                 "HOME": str(self._folder), "ANSIBLE_NOCOLOR": "1", "LANG": "C.UTF-8"},
        )  # fmt: skip

    def run(self, *tasks: dict[str, Any]) -> tuple[int, str]:
        """Run one to its end; return its exit code and its words."""
        process = self.start(*tasks)
        output, _ = process.communicate(timeout=60)
        return process.returncode, " ".join(output.split())


OK: dict[str, Any] = {"ansible.builtin.debug": {"msg": "so it went on"}}
FAIL: dict[str, Any] = {"ansible.builtin.fail": {"msg": "no luck\nat all"}}


@pytest.fixture
def plays(tmp_path: Path, bucket: Bucket) -> Plays:
    return Plays(tmp_path, bucket)


@pytest.fixture
def waiting(plays: Plays, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A playbook that has the lock, for some seconds at a time, until the gate opens."""
    process = plays.start(plays.lock(seconds=SECONDS), plays.wait())
    try:
        held = tmp_path / f"companions/fleet/lock-{process.pid}/stdout"
        wait_for(lambda: held.exists() and held.read_text() == "held\n", "the lock is held", 30)
        yield process
    finally:
        plays.gate.touch()
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("then", "code", "outcome", "reason"), [(OK, 0, "done", None), (FAIL, 2, "failed", "no luck")]
)
def test_a_playbook_journals_how_it_ended_and_gives_the_lock_back(
    plays: Plays, lock: FleetLock, then: dict[str, Any], code: int, outcome: str, reason: str | None
) -> None:
    assert plays.run(plays.lock(), then)[0] == code
    assert lock.holder() is None
    (run,) = lock.runs()
    assert (run["action"], run["release"]) == ("deploy", "r1")
    assert (run["outcome"], run["reason"]) == (outcome, reason)
    assert run["by"]
    assert run["from"]


def test_a_second_playbook_is_refused_while_the_first_lives_longer_than_its_lease(
    plays: Plays, lock: FleetLock, waiting: subprocess.Popen[str]
) -> None:
    taken = lock.holder()
    assert taken
    wait_for(lambda: time.time() > taken["since"] + SECONDS + 1, "the first lease is over", 15)
    code, output = plays.run(plays.lock(), OK)
    assert code == 2
    assert "holds the fleet's lock since 20" in output
    assert "so it went on" not in output
    plays.gate.touch()
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert [run["outcome"] for run in lock.runs()] == ["done"]


def test_a_killed_playbook_gives_it_back_and_leaves_no_outcome(
    lock: FleetLock, waiting: subprocess.Popen[str]
) -> None:
    os.killpg(waiting.pid, signal.SIGKILL)
    wait_for(lambda: lock.holder() is None, "it is given back", SECONDS / 2)
    assert [run["outcome"] for run in lock.runs()] == [None]


def test_a_playbook_that_is_cut_off_blocks_the_next_until_its_lease_lapses(
    plays: Plays, lock: FleetLock, waiting: subprocess.Popen[str], tmp_path: Path
) -> None:
    (file,) = tmp_path.glob(f"companions/fleet/lock-{waiting.pid}/pid")
    runner = int(file.read_text())
    holder = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
    stopped = [runner, *map(int, holder)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        os.killpg(waiting.pid, signal.SIGKILL)
        code, output = plays.run(plays.lock(), OK)
        assert code == 2
        assert "It lapses in" in output
        wait_for(lambda: lock.holder() is None, "it has lapsed", SECONDS + 4)
        assert plays.run(plays.lock(), OK)[0] == 0
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_run_that_has_the_lock_may_change_hosts(plays: Plays) -> None:
    code, output = plays.run(plays.lock(), plays.lock(state="required"), OK)
    assert code == 0
    assert "so it went on" in output


def test_a_run_that_has_lost_the_lock_changes_no_host_any_more(
    plays: Plays, lock: FleetLock, bucket: Bucket
) -> None:
    """Another took it, since the bucket heard nothing of this run for too long."""
    process = plays.start(plays.lock(), plays.wait(), plays.lock(state="required"), OK)
    wait_for(lambda: lock.holder() is not None, "the lock is taken", 30)
    bucket.put(LEASE, json.dumps({"id": "other", "seconds": 60, "since": time.time(), **ANA}))
    plays.gate.touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "ana on laptop holds the fleet's lock" in " ".join(output.split())
    assert "so it went on" not in output


def test_a_run_without_localhost_changes_no_host(plays: Plays) -> None:
    """As `--limit HOST` leaves it out, whose play takes the lock."""
    code, output = plays.run(plays.lock(state="required"), OK)
    assert code == 2
    assert "--limit has left that out" in output
    assert "so it went on" not in output


def test_check_mode_takes_nothing(plays: Plays, lock: FleetLock) -> None:
    checked = {**plays.lock(), "check_mode": True, "register": "asked"}
    lock.begin("one", ANA, 60)
    shown = {"ansible.builtin.debug": {"msg": "by {{ asked.lease.by }}, {{ asked.runs | length }}"}}
    code, output = plays.run(checked, shown)
    assert code == 0
    assert "by ana, 1" in output
    assert [run["id"] for run in lock.runs()] == ["one"]
