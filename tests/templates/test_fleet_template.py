"""The fleet's template is clean for cfn-lint and keeps what operators and auditors rely on."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils import stack_template

TEMPLATE = Path(__file__).parents[2] / "cloudformation" / "fleet.yaml"
SERVER, CLIENT = "grpc-server", "grpc-client"
SOURCES = ("CidrIp", "SourceSecurityGroupId")
ROLES = {
    "Network": SERVER,
    "Gateway": SERVER,
    "Routes": SERVER,
    "FirstSubnet": SERVER,
    "SecondSubnet": SERVER,
    "BalancerFirewall": SERVER,
    "Firewall": SERVER,
    "SshKey": SERVER,
    "Releases": SERVER,
    "ServerRole": SERVER,
    "Balancer": SERVER,
    "Targets": SERVER,
    "Servers": SERVER,
    "GroupName": SERVER,
    "ClientFirewall": CLIENT,
    "ClientRole": CLIENT,
    "Client": CLIENT,
    "ClientAddress": CLIENT,
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return stack_template.load(TEMPLATE.read_text(encoding="utf-8"))


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def launched(template: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = properties(template, "Template")["LaunchTemplateData"]
    return data


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    [policy] = properties(template, role)["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def tags(tags: Any) -> dict[str, Any]:
    if isinstance(tags, dict):
        return tags
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_cfn_lint_finds_nothing() -> None:
    cfnlint = importlib.import_module("cfnlint")
    matches = cfnlint.lint(TEMPLATE.read_text(encoding="utf-8"), config={"regions": ["us-east-1"]})
    assert [str(match) for match in matches] == []


@pytest.mark.parametrize("role", ["ServerRole", "ClientRole"])
def test_every_statement_names_its_actions_and_resources(
    template: dict[str, Any], role: str
) -> None:
    for statement in statements(template, role):
        actions, resources = statement["Action"], statement["Resource"]
        assert "*" not in json.dumps(actions)
        # One of all that is in the bucket: what there is, not what it holds.
        named = [one for one in resources if one != {"GetAtt": "Releases.Arn"}]
        assert named or actions == "s3:ListBucket"
        assert all(resource["Sub"].split("/", 1)[1].strip("*") for resource in named)


def test_servers_and_client_read_only_their_own_keys(template: dict[str, Any]) -> None:
    wanted = {
        "ServerRole": {"tls/ca.crt", "tls/server.crt", "tls/server.key", "group"},
        "ClientRole": {"client-tls/ca.crt", "client-tls/client.crt", "client-tls/client.key"},
    }
    for role, names in wanted.items():
        readable = {
            resource["Sub"].split("${Deployment}/")[1]
            for statement in statements(template, role)
            if statement["Action"] == "ssm:GetParameter"
            for resource in statement["Resource"]
        }
        assert readable == names


def test_the_bucket_is_versioned_encrypted_private_and_forgets(template: dict[str, Any]) -> None:
    bucket = properties(template, "Releases")
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert any(
        "NoncurrentVersionExpiration" in rule for rule in bucket["LifecycleConfiguration"]["Rules"]
    )
    [statement] = properties(template, "ReleasesPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_hosts_are_reached_by_the_balancer_and_the_operator_only(template: dict[str, Any]) -> None:
    rules = properties(template, "Firewall")["SecurityGroupIngress"]
    sources = [(rule["FromPort"], *(rule[key] for key in rule if key in SOURCES)) for rule in rules]
    balancer = {"GetAtt": "BalancerFirewall.GroupId"}
    assert sources == [
        (22, {"Ref": "SshIngressCidr"}),
        ({"Ref": "ServicePort"}, balancer),
        ({"Ref": "ReadinessPort"}, balancer),
    ]
    [ssh] = properties(template, "ClientFirewall")["SecurityGroupIngress"]
    assert (ssh["FromPort"], ssh["CidrIp"]) == (22, {"Ref": "SshIngressCidr"})


def test_a_host_gets_calls_only_when_it_says_that_it_is_ready(template: dict[str, Any]) -> None:
    targets = properties(template, "Targets")
    assert (targets["Protocol"], targets["HealthCheckProtocol"]) == ("TCP", "HTTP")
    assert targets["HealthCheckPath"] == "/ready"
    attributes = tags(targets["TargetGroupAttributes"])
    assert attributes["deregistration_delay.timeout_seconds"] == {"Ref": "DrainingSeconds"}
    assert attributes["preserve_client_ip.enabled"] == "false"
    group = properties(template, "Servers")
    assert (group["HealthCheckType"], group["TargetGroupARNs"]) == ("ELB", [{"Ref": "Targets"}])


def test_the_balancer_is_a_network_one_across_zones(template: dict[str, Any]) -> None:
    balancer = properties(template, "Balancer")
    assert (balancer["Type"], balancer["Scheme"]) == ("network", "internet-facing")
    assert tags(balancer["LoadBalancerAttributes"])["load_balancing.cross_zone.enabled"] == "true"
    assert len(balancer["Subnets"]) == 2
    assert properties(template, "Servers")["VPCZoneIdentifier"] == balancer["Subnets"]


def test_instance_metadata_needs_a_token_and_stays_on_the_host(template: dict[str, Any]) -> None:
    for host in (launched(template), properties(template, "Client")):
        options = host["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


def test_root_volumes_are_encrypted_gp3_and_go_with_their_hosts(template: dict[str, Any]) -> None:
    for host in (launched(template), properties(template, "Client")):
        [volume] = host["BlockDeviceMappings"]
        assert volume["DeviceName"] == "/dev/xvda"
        assert (volume["Ebs"]["VolumeType"], volume["Ebs"]["Encrypted"]) == ("gp3", True)
        assert volume["Ebs"]["DeleteOnTermination"] is True


def test_user_data_is_a_program_that_bash_understands(template: dict[str, Any]) -> None:
    text = launched(template)["UserData"]["Fn::Base64"]["Sub"]
    for name in ("AWS::Region", "Releases", "Deployment"):
        text = text.replace(f"${{{name}}}", "x")
    for name in ("GraceSeconds", "MostFailures"):
        text = text.replace(f"${{{name}}}", "5")
    assert "${" not in text
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


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


def test_every_resource_that_can_carries_the_deployment_and_its_role(
    template: dict[str, Any],
) -> None:
    found = {
        name: tags(resource["Properties"]["Tags"])
        for name, resource in template["Resources"].items()
        if "Tags" in resource.get("Properties", {})
    }
    assert {name: one["Role"] for name, one in found.items()} == ROLES
    assert all(one["Deployment"] == {"Ref": "Deployment"} for one in found.values())


def test_the_tags_of_the_group_are_those_of_its_hosts(template: dict[str, Any]) -> None:
    assert all(tag["PropagateAtLaunch"] for tag in properties(template, "Servers")["Tags"])


def test_the_outputs_are_those_that_playbooks_read(template: dict[str, Any]) -> None:
    shared = {"Endpoint", "ServerName", "Topology", "SecurityGroupId", "Region"}
    fleet = {"ReleaseBucket", "AutoScalingGroupName", "TargetGroupArn", "ClientInstanceId"}
    assert set(template["Outputs"]) == shared | fleet | {"Architecture", "KeyPairId"}
    assert template["Outputs"]["Topology"]["Value"] == "fleet"
