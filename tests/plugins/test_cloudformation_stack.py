"""The inventory is one stack's running instances and outputs, and never a secret."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader

from tests.plugins.stubs import WHEN, answers, group, new_cloud, stack

ROOT = Path(__file__).parents[2]
MISSING = ("describe_stacks", "ValidationError: Stack with id demo does not exist")
UNWATCHED = ("describe_stacks", "ValidationError: Stack with id demo-monitoring does not exist")
CONFIG = """
plugin: cloudformation_stack
deployment: demo
region: us-east-1
endpoint_url: http://127.0.0.1:9
access_key: a
secret_key: b
"""


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    init_plugin_loader()
    inventory_loader.add_directory(str(ROOT / "plugins" / "inventory"))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "SAUDACAO_DEPLOYMENT"):
        monkeypatch.delenv(name, raising=False)


def members(kind: str, *identifiers: str) -> tuple[str, Any]:
    return "list_stack_resources", {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": "Host",
                "PhysicalResourceId": identifier,
                "ResourceType": kind,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": WHEN,
            }
            for identifier in identifiers
        ]
    }


def instance(identifier: str, state: str, address: str, role: str) -> dict[str, Any]:
    public = {"PublicIpAddress": address} if address else {}
    return {
        "InstanceId": identifier,
        "State": {"Name": state},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "Tags": [{"Key": "Role", "Value": role}],
        **public,
    }


def parse(
    folder: Path,
    cloudformation: list[Any],
    instances: list[Any],
    config: str = CONFIG,
    watching: tuple[str, Any] = UNWATCHED,
    groups: tuple[tuple[str, Any], ...] = (),
) -> tuple[InventoryData, list[str]]:
    path = folder / "cloudformation_stack.yml"
    path.write_text(config)
    cloud, warnings = new_cloud(), list[str]()
    plugin = inventory_loader.get("cloudformation_stack")
    plugin.client = lambda service: getattr(cloud, service)
    plugin.warn = warnings.append
    ec2 = [("describe_instances", {"Reservations": [{"Instances": instances}]})]
    inventory = InventoryData()
    with ExitStack() as stubs:
        stubs.enter_context(answers(cloud.cloudformation, *cloudformation, watching))
        stubs.enter_context(answers(cloud.ec2, *(ec2 if instances else [])))
        stubs.enter_context(answers(cloud.autoscaling, *groups))
        plugin.parse(inventory, DataLoader(), str(path), cache=False)
    return inventory, warnings


def names(inventory: InventoryData, group: str) -> list[str]:
    return [host.name for host in inventory.groups[group].hosts]


def test_a_missing_stack_is_an_empty_inventory_with_localhost(tmp_path: Path) -> None:
    inventory, _ = parse(tmp_path, [MISSING], [])
    assert list(inventory.hosts) == ["localhost"]
    assert inventory.groups["all"].vars["stack"] == {}
    assert {"grpc_servers", "grpc_clients", "stopped"} <= set(inventory.groups)


def test_running_instances_are_grouped_by_their_role(tmp_path: Path) -> None:
    outputs = [{"OutputKey": "Endpoint", "OutputValue": "203.0.113.1:50051"}]
    calls = [
        ("describe_stacks", stack("CREATE_COMPLETE", Outputs=outputs)),
        members("AWS::EC2::Instance", "i-1", "i-2"),
    ]
    server = instance("i-1", "running", "203.0.113.1", "grpc-server")
    client = instance("i-2", "running", "203.0.113.2", "grpc-client")
    inventory, warnings = parse(tmp_path, calls, [server, client])
    assert (names(inventory, "grpc_servers"), names(inventory, "grpc_clients"), warnings) == (
        ["i-1"],
        ["i-2"],
        [],
    )
    assert inventory.hosts["i-1"].vars["ansible_host"] == "203.0.113.1"
    assert inventory.groups["all"].vars["stack"] == {"Endpoint": "203.0.113.1:50051"}


def test_what_watches_a_deployment_is_told_by_its_own_stack(tmp_path: Path) -> None:
    outputs = [{"OutputKey": "ServerLog", "OutputValue": "/demo/server"}]
    calls = [("describe_stacks", stack("CREATE_COMPLETE")), members("AWS::EC2::Instance")]
    watching = ("describe_stacks", stack("CREATE_COMPLETE", Outputs=outputs))
    inventory, _ = parse(tmp_path, calls, [], watching=watching)
    assert inventory.groups["all"].vars["monitoring_stack"] == {"ServerLog": "/demo/server"}


def test_a_stack_in_progress_shows_what_exists(tmp_path: Path) -> None:
    calls = [("describe_stacks", stack("CREATE_IN_PROGRESS")), members("AWS::EC2::Instance")]
    inventory, _ = parse(tmp_path, calls, [])
    assert (list(inventory.hosts), inventory.groups["all"].vars["stack"]) == (["localhost"], {})


@pytest.mark.parametrize(("state", "address"), [("stopped", "203.0.113.1"), ("running", "")])
def test_an_instance_that_cannot_be_reached_is_visible_and_explained(
    tmp_path: Path, state: str, address: str
) -> None:
    calls = [
        ("describe_stacks", stack("CREATE_COMPLETE")),
        members("AWS::EC2::Instance", "i-1"),
    ]
    host = instance("i-1", state, address, "grpc-server")
    inventory, warnings = parse(tmp_path, calls, [host])
    assert (names(inventory, "stopped"), names(inventory, "grpc_servers")) == (["i-1"], [])
    assert "aws ec2 start-instances --region us-east-1 --instance-ids i-1" in warnings[0]


def test_members_of_an_auto_scaling_group_are_hosts_until_it_takes_them_away(
    tmp_path: Path,
) -> None:
    states = {"i-1": "InService", "i-2": "Pending:Wait", "i-3": "Terminating:Wait"}
    calls = [
        ("describe_stacks", stack("CREATE_COMPLETE")),
        members("AWS::AutoScaling::AutoScalingGroup", "group-1"),
    ]
    hosts = [instance(name, "running", "203.0.113.1", "grpc-server") for name in states]
    inventory, _ = parse(tmp_path, calls, hosts, groups=(group(2, **states),))
    assert names(inventory, "grpc_servers") == ["i-1", "i-2"]


def test_secrets_of_the_environment_are_not_copied_into_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    config = "plugin: cloudformation_stack\ndeployment: demo\nregion: us-west-2\n"
    inventory, _ = parse(tmp_path, [MISSING], [], config)
    assert inventory.groups["all"].vars["aws"] == {"region": "us-west-2"}


def test_the_deployment_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAUDACAO_DEPLOYMENT", "other")
    inventory, _ = parse(tmp_path, [MISSING], [], CONFIG.replace("deployment: demo\n", ""))
    assert inventory.groups["all"].vars["deployment"] == "other"


def test_a_local_cloud_that_is_down_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "cloudformation_stack.yml"
    path.write_text(CONFIG)
    plugin = inventory_loader.get("cloudformation_stack")
    with pytest.raises(AnsibleParserError, match=r"does not answer .*sudo make local-up"):
        plugin.parse(InventoryData(), DataLoader(), str(path), cache=False)
