"""Host keys come from the console, and a changed key stops the run."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils import ssh_host_keys
from plugins.module_utils.aws_cloud import StackError
from tests.plugins.stubs import answers, new_cloud

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER = "A" * 68, "B" * 68


def console(*keys: str) -> dict[str, str]:
    lines = [f"ssh-ed25519 {key} root@host" for key in keys]
    block = "\r\n".join(
        ["-----BEGIN SSH HOST KEY KEYS-----", *lines, "-----END SSH HOST KEY KEYS-----"]
    )
    text = f"Linux version 6.1\r\n{block if keys else ''}\r\nlogin:"
    return {"InstanceId": "i-1", "Output": base64.b64encode(text.encode()).decode()}


def test_the_last_block_on_the_console_counts() -> None:
    old, new = (
        f"-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 {key} a@b\n-----END SSH HOST KEY KEYS-----"
        for key in (OTHER, KEY)
    )
    assert ssh_host_keys.parse_console(f"{old}\nreboot\n{new}") == {"ssh-ed25519": KEY}


def test_a_block_that_is_still_being_printed_does_not_count() -> None:
    text = f"-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 {KEY} a@b\n"
    assert ssh_host_keys.parse_console(text) == {}


def test_a_new_instance_is_waited_for(tmp_path: Path) -> None:
    ec2 = new_cloud().ec2
    replies = ("get_console_output", console()), ("get_console_output", console(KEY))
    with answers(ec2, *replies):
        known = ssh_host_keys.update(ec2, tmp_path / "known_hosts", ["i-1"], timeout=5)
    assert known == {"i-1": {"ssh-ed25519": KEY}}


def test_an_instance_without_keys_on_its_console_is_named(tmp_path: Path) -> None:
    ec2 = new_cloud().ec2
    with (
        answers(ec2, ("get_console_output", console())),
        pytest.raises(StackError, match=r"SSH host keys of i-1 .*get-console-output"),
    ):
        ssh_host_keys.update(ec2, tmp_path / "known_hosts", ["i-1"], timeout=0)


def test_a_known_key_that_differs_from_the_console_stops_the_run(tmp_path: Path) -> None:
    ec2, path = new_cloud().ec2, tmp_path / "known_hosts"
    ssh_host_keys.save(path, {"i-1": {"ssh-ed25519": OTHER}})
    with (
        answers(ec2, ("get_console_output", console(KEY))),
        pytest.raises(StackError, match=r"i-1 has changed.*ssh-keygen -R i-1"),
    ):
        ssh_host_keys.update(ec2, path, ["i-1"], timeout=5)


def test_an_old_console_that_is_empty_keeps_what_is_known(tmp_path: Path) -> None:
    ec2, path = new_cloud().ec2, tmp_path / "known_hosts"
    ssh_host_keys.save(path, known := {"i-1": {"ssh-ed25519": KEY}})
    with answers(ec2, ("get_console_output", {"InstanceId": "i-1"})):
        assert ssh_host_keys.update(ec2, path, ["i-1"], timeout=5) == known


def test_lines_of_instances_that_are_gone_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    ssh_host_keys.save(path, {"i-1": {"ssh-ed25519": KEY}})
    assert ssh_host_keys.update(new_cloud().ec2, path, [], timeout=5) == {}


def test_an_instance_type_without_a_live_console_is_read_the_old_way() -> None:
    ec2 = new_cloud().ec2
    calls = ("get_console_output", "UnsupportedOperation"), ("get_console_output", console(KEY))
    with answers(ec2, *calls):
        assert ssh_host_keys.read_console(ec2, "i-1") == {"ssh-ed25519": KEY}


def test_a_damaged_file_is_learnt_anew(tmp_path: Path) -> None:
    ec2, path = new_cloud().ec2, tmp_path / "known_hosts"
    path.write_bytes(b"\xff\xfe\x00 \x9c \xff")
    with answers(ec2, ("get_console_output", console(KEY))):
        assert ssh_host_keys.update(ec2, path, ["i-1"], timeout=0) == {"i-1": {"ssh-ed25519": KEY}}


def test_the_file_is_for_its_owner_only_and_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    ssh_host_keys.save(path, known := {"i-1": {"ssh-ed25519": KEY}, "i-2": {"ssh-rsa": OTHER}})
    assert (path.stat().st_mode & 0o777, ssh_host_keys.load(path)) == (0o600, known)
