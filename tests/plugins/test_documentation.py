"""Every plugin is documented where Ansible looks for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = {
    "stack_preflight": "module",
    "stack_deploy": "module",
    "stack_delete": "module",
    "stack_host_keys": "module",
    "stack_drift": "module",
    "fleet_hosts": "module",
    "host_bundle": "module",
    "release_publish": "module",
    "answer": "module",
    "checked_run": "module",
    "local_file": "module",
    "changes": "callback",
    "cloudformation_stack": "inventory",
}


@pytest.mark.parametrize("name", PLUGINS)
def test_ansible_doc_finds_every_option_described(name: str) -> None:
    program = str(Path(sys.executable).parent / "ansible-doc")
    command = [program, "--json", "--type", PLUGINS[name], name]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    options = json.loads(result.stdout)[name]["doc"]["options"]
    assert options
    assert all(option["description"] for option in options.values())
