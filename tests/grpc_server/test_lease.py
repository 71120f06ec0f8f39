"""The lease: one run at a time, and a run that died blocks nobody for long."""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from grpc_switch import journal
from grpc_switch.config import Config
from grpc_switch.lease import Lease
from grpc_switch.system import RefusedError

from tests.conftest import ROOT
from tests.grpc_server.fake_host import FakeHost
from tests.grpc_server.host import wait_for

ANA = {"action": "deploy", "by": "ana", "from": "laptop"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    return FakeHost(tmp_path, monkeypatch).config


@pytest.fixture
def lease(config: Config) -> Lease:
    return Lease(config)


def test_a_second_run_learns_who_holds_it_since_when_for_what_and_how_long(lease: Lease) -> None:
    lease.take("one", ANA, 60)
    with pytest.raises(RefusedError) as refusal:
        lease.take("two", {"action": "rollback"}, 60)
    words = str(refusal.value)
    assert "ana on laptop holds the lock since 20" in words
    assert "for: deploy" in words
    assert "lapses in 60 s" in words


def test_the_same_run_may_take_it_again(lease: Lease) -> None:
    lease.take("one", ANA, 60)
    lease.take("one", ANA, 60)
    held = lease.holder()
    assert held is not None
    assert held["by"] == "ana"


def test_a_lease_that_is_not_renewed_lapses(lease: Lease) -> None:
    lease.take("one", ANA, 0.05)
    time.sleep(0.06)
    assert lease.holder() is None
    lease.take("two", ANA, 60)
    with pytest.raises(RefusedError, match="holds the lock"):
        lease.renew("one")


def test_a_run_that_was_cut_off_goes_on_unless_another_came_between(lease: Lease) -> None:
    lease.take("one", ANA, 0.05)
    time.sleep(0.06)
    lease.renew("one")
    lease.give_back("one")
    lease.require("one")
    assert lease.holder() is None
    lease.take("two", ANA, 60)
    lease.give_back("two")
    with pytest.raises(RefusedError, match="another run has had it since"):
        lease.require("one")


def test_a_renewed_lease_begins_anew(lease: Lease, config: Config) -> None:
    lease.take("one", ANA, 60)
    before = json.loads(config.lease.read_text())["until"]
    assert lease.renew("one") > before


def test_only_its_holder_gives_it_back(lease: Lease) -> None:
    lease.take("one", ANA, 60)
    lease.give_back("two")
    assert lease.holder() is not None
    lease.give_back("one")
    assert lease.holder() is None


def test_a_clock_that_was_set_back_does_not_make_it_longer(lease: Lease, config: Config) -> None:
    lease.take("one", ANA, 60)
    held = json.loads(config.lease.read_text())
    config.lease.write_text(json.dumps({**held, "until": held["until"] + 86400}))
    assert lease.holder() is None


def test_a_damaged_lease_is_nobodys(lease: Lease, config: Config) -> None:
    lease.take("one", ANA, 60)
    config.lease.write_text("{")
    lease.take("two", ANA, 60)


def test_a_run_holds_it_for_as_long_as_it_is_heard(config: Config) -> None:
    """As over SSH: a line is a sign of life, the end of the input is the end of the run."""
    (config.root / "config.json").write_text(
        json.dumps({**asdict(config), "root": str(config.root)})
    )
    program = (
        "import sys; from pathlib import Path; from grpc_switch import __main__ as main, config;"
        f" load = config.load; root = Path({str(config.root)!r});"
        " config.load = lambda: dataclasses.replace(load(root / 'config.json'), root=root);"
        " import dataclasses; sys.exit(main.main())"
    )
    words = ["begin", "one", "--seconds", "0.5", "--json", json.dumps(ANA)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT / "roles/grpc_server/files")},
    ) as run:
        assert run.stdin
        assert run.stdout
        assert run.stdout.readline() == "held\n"
        lease = Lease(config)
        first = lease.holder()
        assert first is not None
        run.stdin.write("\n")
        run.stdin.flush()
        wait_for(lambda: (lease.holder() or first)["until"] > first["until"], "it is renewed", 5)
        run.stdin.close()
        assert run.wait(10) == 0
    assert lease.holder() is None
    assert [entry["outcome"] for entry in journal.runs(config)] == [None]
