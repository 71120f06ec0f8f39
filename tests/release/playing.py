"""Runs one role on localhost, as a playbook would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT

LOCALHOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def play(
    role: str,
    variables: Mapping[str, object],
    *options: str,
    folder: Path,
    expect: int = 0,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a role with variables and ansible-playbook's options; return what was printed.

    The playbook is written to `folder`. The exit code must be `expect`.
    """
    playbook = folder / f"{role}.yml"
    plays = [{"hosts": "localhost", "gather_facts": False, "roles": [role]}]
    playbook.write_text(json.dumps(plays))
    inventory = folder / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": LOCALHOST}}}))
    command: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), *options]
    command += ["--inventory", inventory, "--extra-vars", json.dumps(variables)]
    result = subprocess.run(
        [*command, playbook],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
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
