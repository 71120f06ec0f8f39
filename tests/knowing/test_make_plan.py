"""`make plan` when it cannot tell: its exit code is not that of changes."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import ROOT


def test_an_error_is_1_with_the_reason(tmp_path: Path) -> None:
    """Nothing listens at the API's address; 0 and 2 need a host: tests/e2e/test_knowing.py."""
    plugin = yaml.safe_load((ROOT / "inventory/local/cloudformation_stack.yml").read_text())
    plugin["endpoint_url"] = "http://127.0.0.1:9"
    (tmp_path / "cloudformation_stack.yml").write_text(yaml.safe_dump(plugin))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    result = subprocess.run(
        ["make", "plan", f"INVENTORY={tmp_path}"],
        cwd=ROOT,
        env={**environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "nothing listens there" in result.stderr
