"""The map file: what it says is what is read back, and nft accepts it."""

import subprocess
from dataclasses import replace
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


@pytest.fixture
def ready(config: Config) -> Config:
    """The same host with a public port for readiness."""
    return replace(config, readiness_port=50052)


@pytest.mark.parametrize("readiness_port", [0, 50052])
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_nft_accepts_the_rules(config: Config, record: Record, readiness_port: int) -> None:
    config = replace(config, readiness_port=readiness_port)
    config.map_file.write_text(mapping.render(config, record))
    subprocess.run(["nft", "--check", "--file", config.map_file], check=True)


def test_the_rules_bear_the_services_name_and_ports(config: Config) -> None:
    rules = mapping.render(config, Record("a", 50063))
    assert "table inet greeter {" in rules
    assert "50051 : 50063" in rules
    assert "dport { 50061-50069 } ct status ! dnat" in rules
    assert "5106" not in rules


def test_the_readiness_port_leads_to_the_releases_own_in_the_same_map(ready: Config) -> None:
    rules = mapping.render(ready, Record("a", 50063))
    assert "elements = { 50051 : 50063, 50052 : 51063 };" in rules
    assert "dport { 50061-50069, 51061-51069 } ct status ! dnat" in rules


def test_a_map_file_from_before_readiness_is_loaded_as_it_is(
    config: Config, ready: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard would load it for ever, were it measured by what would be written now."""
    kernel = "table inet greeter { map port { elements = { 50051 : 50061 } } }"
    config.map_file.write_text(mapping.render(config, Record("a", 50061)))
    monkeypatch.setattr(mapping, "run", lambda *_, **__: kernel)
    assert mapping.is_loaded(ready)
    mapping.load(ready)


def test_a_kernel_that_lacks_the_readiness_port_has_not_the_files_map(
    ready: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = "table inet greeter { map port { elements = { 50051 : 50061 } } }"
    ready.map_file.write_text(mapping.render(ready, Record("a", 50061)))
    monkeypatch.setattr(mapping, "run", lambda *_, **__: kernel)
    assert not mapping.is_loaded(ready)


def test_the_kernels_map_is_read_as_nft_lists_it(
    ready: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = (
        "table inet greeter {\n\tmap port {\n\t\ttype inet_service : inet_service\n"
        "\t\telements = { 50051 : 50061,\n\t\t\t     50052 : 51061 }\n\t}\n}\n"
    )
    monkeypatch.setattr(mapping, "run", lambda *_, **__: listed)
    assert mapping.loaded(ready) == {50051: 50061, 50052: 51061}


def test_a_host_without_a_map_file_has_no_release(config: Config) -> None:
    assert mapping.read(config) == Record()


@pytest.mark.parametrize("text", ["", "table inet greeter {}\n", "# grpc-switch {}\n"])
def test_a_map_file_changed_by_hand_is_refused_by_name(config: Config, text: str) -> None:
    config.map_file.write_text(text)
    with pytest.raises(RefusedError, match=r"active\.nft was changed by hand"):
        mapping.read(config)
