"""The template is clean for cfn-lint and keeps the promises that a lab or an auditor relies on."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils import stack_template

TEMPLATE = Path(__file__).parents[2] / "cloudformation" / "stack.yaml"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return stack_template.load(TEMPLATE.read_text(encoding="utf-8"))


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def test_cfn_lint_finds_nothing() -> None:
    cfnlint = importlib.import_module("cfnlint")
    matches = cfnlint.lint(TEMPLATE.read_text(encoding="utf-8"), config={"regions": ["us-east-1"]})
    assert [str(match) for match in matches] == []


def test_the_stack_needs_no_iam_and_no_bucket(template: dict[str, Any]) -> None:
    services = {resource["Type"].split("::")[1] for resource in template["Resources"].values()}
    assert services == {"EC2"}


def test_instance_metadata_needs_a_token_and_stays_on_the_host(template: dict[str, Any]) -> None:
    options = properties(template, "Host")["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


def test_the_root_volume_is_encrypted_gp3_and_goes_with_the_host(template: dict[str, Any]) -> None:
    [volume] = properties(template, "Host")["BlockDeviceMappings"]
    assert volume["DeviceName"] == "/dev/xvda"
    assert (volume["Ebs"]["VolumeType"], volume["Ebs"]["Encrypted"]) == ("gp3", True)
    assert volume["Ebs"]["DeleteOnTermination"] is True


def test_only_ssh_and_the_service_are_open_each_to_its_own_range(template: dict[str, Any]) -> None:
    rules = properties(template, "Firewall")["SecurityGroupIngress"]
    assert [(rule["FromPort"], rule["CidrIp"]) for rule in rules] == [
        (22, {"Ref": "SshIngressCidr"}),
        ({"Ref": "ServicePort"}, {"Ref": "ServiceIngressCidr"}),
    ]
    assert all(rule["Description"] for rule in rules)


def test_ssh_has_no_default_range(template: dict[str, Any]) -> None:
    assert "Default" not in template["Parameters"]["SshIngressCidr"]


def test_every_parameter_and_output_is_described(template: dict[str, Any]) -> None:
    described = [*template["Parameters"].values(), *template["Outputs"].values()]
    assert all(item.get("Description") for item in described)


def test_every_parameter_is_constrained(template: dict[str, Any]) -> None:
    constraints = {"AllowedPattern", "AllowedValues", "MaxValue", "MaxLength"}
    for name, parameter in template["Parameters"].items():
        assert constraints & set(parameter) or parameter["Type"].startswith("AWS::"), name


def test_every_resource_has_words_for_its_progress_line(template: dict[str, Any]) -> None:
    words = stack_template.descriptions(TEMPLATE.read_text(encoding="utf-8"))
    assert all(description != name for name, description in words.items())
    assert set(words) == set(template["Resources"])


@pytest.mark.parametrize("name", ["Firewall", "SshKey", "Host", "Address"])
def test_every_resource_carries_the_deployment_and_its_role(
    template: dict[str, Any], name: str
) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in properties(template, name)["Tags"]}
    assert (tags["Deployment"], tags["Role"]) == ({"Ref": "Deployment"}, "grpc-server")


def test_the_outputs_are_those_that_playbooks_read(template: dict[str, Any]) -> None:
    shared = {"Endpoint", "ServerName", "Topology", "SecurityGroupId", "Region"}
    assert set(template["Outputs"]) == shared | {"InstanceId", "Architecture", "KeyPairId"}
