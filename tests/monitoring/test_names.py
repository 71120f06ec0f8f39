"""The agent of Amazon Linux and the shipper elsewhere name the same groups and streams."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from saudacao.logs import Log

from plugins.module_utils import stack_template
from tests.conftest import ROOT
from tests.release.playing import play

PLAY: list[dict[str, Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.include_role": {
                    "name": "monitoring",
                    "tasks_from": "look",
                    "public": True,
                }
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ [_monitoring_shipping, _monitoring_agent_settings] | to_json }}",
                    "dest": "{{ result }}",
                    "mode": "0600",
                }
            },
        ],
    }
]


def settings(folder: Path, shipper: str, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the role would write for the program and for the agent on a host."""
    result = folder / f"{shipper}.json"
    path = folder / "play.yml"
    path.write_text(json.dumps(PLAY))
    variables = {
        "result": str(result),
        "deployment": "demo",
        "ec2_instance_id": "i-1",
        "stack": {"Region": "us-east-1"},
        "monitoring_shipper": shipper,
        "monitoring_group": f"/demo/{kind}",
    }
    play(path, variables, folder=folder)
    program, agent = json.loads(result.read_text())
    return program, agent


def groups() -> dict[str, str]:
    """Return the groups that the template makes for the deployment demo, by whose they are."""
    text = (ROOT / "cloudformation/monitoring.yaml").read_text()
    resources = stack_template.load(text)["Resources"]
    return {
        kind: resources[name]["Properties"]["LogGroupName"]["Sub"].replace("${Deployment}", "demo")
        for kind, name in (("server", "ServerLog"), ("client", "ClientLog"))
    }


@pytest.mark.parametrize("kind", ["server", "client"])
def test_both_ways_name_the_same_group_and_stream(tmp_path: Path, kind: str) -> None:
    """They are those of the template, whose filters make the metrics, without a dimension."""
    direct, _ = settings(tmp_path, "direct", kind)
    writing, agent = settings(tmp_path, "agent", kind)
    (collected,) = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert (direct["group"], direct["stream"]) == (groups()[kind], "i-1")
    assert (collected["log_group_name"], collected["log_stream_name"]) == (groups()[kind], "i-1")
    assert agent["agent"]["region"] == direct["region"]
    # The same program chooses the lines; the agent reads what it writes.
    assert direct["units"] == writing["units"]
    assert (direct["file"], writing["file"]) == ("", collected["file_path"])


def test_the_agent_finds_a_lines_own_time(tmp_path: Path) -> None:
    """It looks for its format in the line, and strptime reads that format likewise."""
    _, agent = settings(tmp_path, "agent", "server")
    (collected,) = agent["logs"]["logs_collected"]["files"]["collect_list"]
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    Log("r1", descriptor).info("call")
    os.close(descriptor)
    written = json.loads(path.read_text())["time"]
    found = datetime.strptime(written.removesuffix("Z"), collected["timestamp_format"])  # noqa: DTZ007
    assert found.isoformat(timespec="microseconds") + "Z" == written
    assert collected["timezone"] == "UTC"
