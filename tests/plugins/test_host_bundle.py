"""What a host configures itself with is one file, the same for the same content."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.host_bundle import Bundle, sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The project's own, but for the packages: those come from an index."""
    lock = tmp_path / "requirements.txt"
    lock.write_text("# nothing to install\n")
    return Bundle(
        files=ROOT / "roles/release_bucket/files/host",
        roles=(ROOT / "roles/grpc_server", ROOT / "roles/monitoring"),
        requirements=lock,
        architecture="x86_64",
        python="3.11",
        environment="production",
        variables={"grpc_server_port": 50051},
    )


def test_a_bundle_has_the_program_the_role_and_its_arguments(
    bundle: Bundle, tmp_path: Path
) -> None:
    with tarfile.open(bundle.build(tmp_path / "bundles")) as archive:
        names = set(archive.getnames())
        assert archive.getmember("configure").mode & 0o111
        variables = archive.extractfile("variables.json")
        assert variables is not None
        assert json.load(variables) == {"grpc_server_port": 50051}
    assert {"playbook.yml", "ansible.cfg", "inventory/production/hosts.yml"} <= names
    assert "roles/grpc_server/tasks/main.yml" in names
    assert "roles/monitoring/files/log_ship/__main__.py" in names
    assert "plugins/action/companion.py" in names


def test_the_same_content_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    first, second = (bundle.build(tmp_path / name) for name in ("one", "two"))
    assert sha256(first) == sha256(second)
    assert first.name == second.name


def test_another_argument_makes_another_bundle(bundle: Bundle) -> None:
    assert replace(bundle, variables={"grpc_server_port": 50055}).key != bundle.key


def test_only_ansible_and_what_it_needs_is_taken_from_the_lock(bundle: Bundle) -> None:
    bundle.requirements.write_text(
        "ansible-core==2.19.14 \\\n    --hash=sha256:aa\n    # via ansible\n"
        "ansible==12.3.0 \\\n    --hash=sha256:bb\njinja2==3.1.6 \\\n    --hash=sha256:cc\n"
    )
    lock = bundle.locked()
    assert "ansible-core==" in lock
    assert "jinja2==" in lock
    assert "ansible==12" not in lock


def test_a_host_needs_nothing_of_the_control_node() -> None:
    """Whatever of the role's defaults lies in a deployment's folder lies elsewhere on a host."""
    (play,) = yaml.safe_load((ROOT / "roles/release_bucket/files/host/playbook.yml").read_text())
    defaults = yaml.safe_load((ROOT / "roles/grpc_server/defaults/main.yml").read_text())
    elsewhere = {name for name, value in defaults.items() if "deploy_directory" in str(value)}
    assert elsewhere
    assert elsewhere <= play["roles"][0]["vars"].keys()


def reached(folder: Path, file: str) -> set[str]:
    """Return a file of tasks and those that it includes, however deep."""

    def included(part: Any) -> Iterator[str]:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if str(key).endswith((".include_tasks", ".import_tasks")):
                if "{{" not in value:  # a user's hook, which no bundle has
                    yield value
            elif isinstance(value, dict | list):
                yield from included(value)

    files = included(yaml.safe_load((folder / file).read_text()))
    return {file}.union(*(reached(folder, each) for each in files))


def test_a_host_has_every_module_of_the_roles(bundle: Bundle, tmp_path: Path) -> None:
    host = tmp_path / "host"
    shutil.unpack_archive(bundle.build(tmp_path / "bundles"), host)
    tasks = [
        {"import_role": {"name": role.name, "tasks_from": file}}
        for role in bundle.roles
        for file in reached(host / "roles" / role.name / "tasks", "main.yml")
    ]
    (host / "check.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "tasks": tasks}]))
    result = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", "check.yml"],
        cwd=host,
        env={**os.environ, "ANSIBLE_CONFIG": str(host / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
