"""The map file: what it says is what is read back, and nft accepts it."""

import subprocess
from pathlib import Path

import pytest
from grpc_switch import mapping
from grpc_switch.config import Config
from grpc_switch.mapping import Record
from grpc_switch.system import RefusedError

RECORDS = {
    "an empty host": Record(),
    "a confirmed release": Record("a", 50061, ("b",)),
    "a provisional release": Record("a", 50061, ("b", "c"), 1764000000.5),
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = Config(
        name="greeter", port=50051, pool=(50061, 50069), python="/usr/bin/python3.11",
        check_module="greeter.check", server_name="greeter.internal", root=tmp_path,
    )  # fmt: skip
    config.map_file.parent.mkdir(parents=True)
    return config


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_is_read_as_it_was_written(config: Config, record: Record) -> None:
    config.map_file.write_text(mapping.render(config, record))
    assert mapping.read(config) == record


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_nft_accepts_the_rules(config: Config, record: Record) -> None:
    config.map_file.write_text(mapping.render(config, record))
    subprocess.run(["nft", "--check", "--file", config.map_file], check=True)


def test_the_rules_bear_the_services_name_and_ports(config: Config) -> None:
    rules = mapping.render(config, Record("a", 50063))
    assert "table inet greeter {" in rules
    assert "50051 : 50063" in rules
    assert "dport 50061-50069 ct status ! dnat" in rules


def test_a_host_without_a_map_file_has_no_release(config: Config) -> None:
    assert mapping.read(config) == Record()


@pytest.mark.parametrize("text", ["", "table inet greeter {}\n", "# grpc-switch {}\n"])
def test_a_map_file_changed_by_hand_is_refused_by_name(config: Config, text: str) -> None:
    config.map_file.write_text(text)
    with pytest.raises(RefusedError, match=r"active\.nft was changed by hand"):
        mapping.read(config)
