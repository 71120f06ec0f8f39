"""The ssh command that Ansible's variables describe."""

from __future__ import annotations

from plugins.module_utils.ssh_command import ssh_command


def test_the_key_the_options_and_the_login_are_words_of_their_own() -> None:
    hostvars = {
        "ansible_host": "192.0.2.1",
        "ansible_user": "ec2-user",
        "ansible_port": 2222,
        "ansible_ssh_private_key_file": "/home/a b/ssh_key",
        "ansible_ssh_common_args": "-o UserKnownHostsFile='/home/a b/known' -o HostKeyAlias=i-1",
        "ansible_ssh_extra_args": "-v",
    }
    assert ssh_command(hostvars) == [
        "ssh", "-i", "/home/a b/ssh_key", "-p", "2222", "-o", "UserKnownHostsFile=/home/a b/known",
        "-o", "HostKeyAlias=i-1", "-v", "ec2-user@192.0.2.1",
    ]  # fmt: skip


def test_what_is_not_given_is_left_to_ssh() -> None:
    assert ssh_command({"ansible_host": "192.0.2.1"}) == ["ssh", "192.0.2.1"]
