"""What the command line says when a cloud cannot run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.cloud import check_machine
from localcloud.errors import LocalCloudError
from tests.conftest import ROOT


def command(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bad_setting_is_one_line_and_exit_code_1() -> None:
    done = command("up", LOCALCLOUD_PORT="eighty")
    assert done.returncode == 1
    assert done.stderr == "Error: LOCALCLOUD_PORT is 'eighty': it must be a port, 1 to 65535.\n"


def test_a_flag_goes_before_the_variable() -> None:
    done = command("--port", "none", "up", LOCALCLOUD_PORT="4599")
    assert "LOCALCLOUD_PORT is 'none'" in done.stderr


def test_without_root_it_names_the_one_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalCloudError, match=r"needs root.*Type: sudo make local-up"):
        check_machine()


def test_a_missing_tool_is_named_with_its_purpose_and_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for tool in ("podman", "conmon", "ip", "sysctl", "mmdebstrap", "runc", "crun"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalCloudError, match=r"lacks nft \(enforces.*Type: sudo make local-up"):
        check_machine()


def test_status_of_a_cloud_that_does_not_run_is_exit_code_1() -> None:
    done = command("status", LOCALCLOUD_NAME="nobody")
    assert done.returncode == 1
    assert '"state": "stopped"' in done.stdout


def test_the_console_of_an_unknown_host_is_an_error() -> None:
    done = command("console", "i-00000000000000000", LOCALCLOUD_NAME="nobody")
    assert done.returncode == 1
    assert "has no console output" in done.stderr
