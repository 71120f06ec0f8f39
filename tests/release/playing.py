"""Runs a role or a playbook on localhost."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT

LOCALHOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def play(
    played: str | Path,
    variables: Mapping[str, object],
    *options: str,
    folder: Path,
    expect: int = 0,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a role (by its name) or a playbook (by its path); return what was printed.

    What is needed beside is written to `folder`. The exit code must be `expect`.
    """
    if isinstance(played, str):
        plays = [{"hosts": "localhost", "gather_facts": False, "roles": [played]}]
        played = folder / f"{played}.yml"
        played.write_text(json.dumps(plays))
    inventory = folder / "inventory.yml"
    groups = {"hosts": {"localhost": LOCALHOST}, "children": {"grpc_servers": {}}}
    inventory.write_text(json.dumps({"all": groups}))
    command: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), *options]
    command += ["--inventory", inventory, "--extra-vars", json.dumps(variables)]
    result = subprocess.run(
        [*command, played],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
            "ANSIBLE_NOCOLOR": "1",
            **(environment or {}),
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output: str = result.stdout
    assert result.returncode == expect, output
    return output
