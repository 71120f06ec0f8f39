"""Every plugin is documented where Ansible looks for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = {
    "module": {
        "stack_preflight",
        "stack_deploy",
        "stack_delete",
        "stack_host_keys",
        "stack_private_key",
        "stack_drift",
        "fleet_hosts",
        "fleet_lock",
        "fleet_replace",
        "host_bundle",
        "release_publish",
        "answer",
        "cloud_logs",
        "cloud_status",
        "host_files",
        "checked_run",
        "local_file",
        "local_move",
    },
    "callback": {"changes"},
    "inventory": {"cloudformation_stack"},
}


@pytest.mark.parametrize("kind", PLUGINS)
def test_ansible_doc_finds_every_option_described(kind: str) -> None:
    program = str(Path(sys.executable).parent / "ansible-doc")
    command = [program, "--json", "--type", kind, *PLUGINS[kind]]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout)
    assert found.keys() == PLUGINS[kind]
    for plugin in found.values():
        options = plugin["doc"]["options"]
        assert options
        assert all(option["description"] for option in options.values())
