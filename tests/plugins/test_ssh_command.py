"""The ssh command that Ansible's variables describe."""

from __future__ import annotations

from plugins.module_utils.ssh_command import ssh_command


def test_the_key_the_options_and_the_login_are_words_of_their_own() -> None:
    command = ssh_command(
        {
            "ansible_host": "192.0.2.1",
            "ansible_user": "ec2-user",
            "ansible_port": 2222,
            "ansible_ssh_private_key_file": "/home/a b/ssh_key",
            "ansible_ssh_common_args": "-o UserKnownHostsFile='/home/a b/known'",
        }
    )
    assert command[command.index("-i") + 1] == "/home/a b/ssh_key"
    assert "UserKnownHostsFile=/home/a b/known" in command
    assert command[-5:] == ["-l", "ec2-user", "-p", "2222", "192.0.2.1"]


def test_a_host_without_an_address_is_called_by_its_name() -> None:
    assert ssh_command({"inventory_hostname": "host"})[-1] == "host"
