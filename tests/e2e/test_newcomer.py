"""A newcomer's fresh clone: make demo twice, then a service of their own by the guide alone."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.app.guide import GUIDE, inventory_variables, write_project
from tests.conftest import AS_TYPED, ROOT, Cloud

SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


class Newcomer:
    """A clone of the repository whose local environment is the test session's cloud."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.checkout = folder / "checkout"
        subprocess.run(["git", "clone", "--quiet", ROOT, self.checkout], check=True)
        inventory = self.checkout / "inventory/local"
        edit(inventory / "cloudformation_stack.yml", endpoint_url=cloud.endpoint, deployment="own")
        edit(inventory / "group_vars/all.yml", ssh_ingress_cidr=f"{cloud.operator}/32")
        self.environment = {
            key: value
            for key, value in cloud.environment.items()
            if key not in ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
        }
        self.environment["PATH"] = f"{self.checkout}/.venv/bin:{os.environ['PATH']}"

    def type(self, command: str) -> str:
        """Run what a person types in the checkout; a failure shows what it printed."""
        result = subprocess.run(
            [*AS_TYPED, "bash", "-e", "-c", command],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout[-6000:]}"
        return result.stdout


def edit(path: Path, **values: str) -> None:
    """Change settings of an inventory file."""
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


@pytest.fixture(scope="module")
def newcomer(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(tmp_path_factory.mktemp("newcomer"), cloud)


def test_make_demo_ends_with_the_greeting_and_what_to_type_next(newcomer: Newcomer) -> None:
    output = newcomer.type("make demo")
    greeting, _, following = output.partition("\nOlá, Leonardo!\n")
    assert "PLAY RECAP" in greeting
    assert following.count("\n  ") == 3


def test_a_second_make_demo_changes_nothing(newcomer: Newcomer) -> None:
    output = newcomer.type("make demo")
    assert re.findall(r"changed=(\d+)", output) == ["0", "0"]


def test_the_guide_puts_another_service_in_the_greeters_place(newcomer: Newcomer) -> None:
    """Every command and file of docs/your-own-service.md, in order, up to calling the service."""
    prepare, install, run_here, deploy, call, *_ = SHELL_BLOCK.findall(GUIDE.read_text("utf-8"))
    newcomer.type(prepare)
    write_project(newcomer.checkout.parent)
    newcomer.type(install)
    assert newcomer.type(run_here)
    with (newcomer.checkout / "inventory/local/group_vars/all.yml").open("a") as variables:
        variables.write(inventory_variables())
    newcomer.type(deploy)
    assert newcomer.type(call) == "6\n"


def test_teardown_takes_everything_away(newcomer: Newcomer) -> None:
    assert "AWS says that nothing of own is left" in newcomer.type("ansible-playbook teardown.yml")
