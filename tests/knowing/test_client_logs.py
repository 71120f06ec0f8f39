"""The role `logs` on a client's host: what is asked of journalctl, and what is printed of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

PLAY = """\
- hosts: all
  gather_facts: false
  vars: &asked
    answer_only: true
    logs_request_id: ab-1
    logs_since: -1h
    logs_format: json
  tasks:
    - ansible.builtin.import_role:
        name: logs
        tasks_from: clients
- hosts: localhost
  gather_facts: false
  vars: *asked
  tasks:
    - ansible.builtin.import_role:
        name: logs
        tasks_from: summary
"""
JOURNALCTL = """\
#!/bin/sh
printf '%s\\n' "$@" > {folder}/arguments
cat {folder}/entries
"""


def test_a_clients_line_of_a_call_is_found_by_its_id(tmp_path: Path) -> None:
    messages = [
        {"event": "call", "level": "error", "request_id": name, "status": "UNAVAILABLE"}
        for name in ("ab-1", "ab-12")
    ]
    entries = [
        json.dumps({"__REALTIME_TIMESTAMP": "1795628516000000", "MESSAGE": json.dumps(message)})
        for message in messages
    ]
    (tmp_path / "entries").write_text("\n".join(entries) + "\n")
    (tmp_path / "journalctl").write_text(JOURNALCTL.format(folder=tmp_path))
    (tmp_path / "journalctl").chmod(0o755)
    (tmp_path / "play.yml").write_text(PLAY)
    host = {"client": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    inventory = {"all": {"children": {"grpc_clients": {"hosts": host}}}}
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory))
    environment = os.environ | {
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    command = [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml"]
    done = subprocess.run(
        [*command, "--inventory", tmp_path / "inventory.yml"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["host"], found["fields"]["request_id"]) == ("client", "ab-1")
    asked = (tmp_path / "arguments").read_text().splitlines()
    assert {"--unit=saudacao-client", "--grep=ab-1", "--since=-1h"} <= set(asked)
