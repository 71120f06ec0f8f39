"""The lease: one run at a time, and a run that died blocks nobody for long."""

import json
import time
from pathlib import Path

import pytest
from grpc_switch.config import Config
from grpc_switch.lease import Lease
from grpc_switch.system import RefusedError

from tests.grpc_server.fake_host import FakeHost

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
    assert lease.require("one")["by"] == "ana"


def test_a_lease_that_is_not_renewed_lapses(lease: Lease) -> None:
    lease.take("one", ANA, 0.05)
    time.sleep(0.06)
    assert lease.holder() is None
    with pytest.raises(RefusedError, match="has lapsed"):
        lease.renew("one")
    lease.take("two", ANA, 60)
    with pytest.raises(RefusedError, match="holds the lock"):
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
