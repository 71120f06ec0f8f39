"""Load balancers, target groups and listeners as the API keeps them; no hosts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

CROSS_ZONE = "load_balancing.cross_zone.enabled"
CHECK = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2}


@pytest.fixture(scope="module")
def balancer(elb: Any, subnets: list[Any]) -> Iterator[Any]:
    ids = [one["SubnetId"] for one in subnets[:2]]
    [made] = elb.create_load_balancer(Name="api", Type="network", Subnets=ids)["LoadBalancers"]
    yield made
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


@pytest.fixture(scope="module")
def group(elb: Any, subnets: list[Any]) -> Iterator[Any]:
    [made] = elb.create_target_group(
        Name="api", Protocol="TCP", Port=8080, VpcId=subnets[0]["VpcId"]
    )["TargetGroups"]
    yield made
    elb.delete_target_group(TargetGroupArn=made["TargetGroupArn"])


@pytest.fixture
def listener(elb: Any, balancer: Any, group: Any) -> Iterator[Any]:
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    arn = balancer["LoadBalancerArn"]
    [made] = elb.create_listener(
        LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=forward
    )["Listeners"]
    yield made
    elb.delete_listener(ListenerArn=made["ListenerArn"])


def refused(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**given)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_load_balancer_has_a_public_address_in_each_zone(
    elb: Any, balancer: Any, cloud: Cloud
) -> None:
    zones = balancer["AvailabilityZones"]
    addresses = [one["IpAddress"] for zone in zones for one in zone["LoadBalancerAddresses"]]
    assert [zone["ZoneName"] for zone in zones] == ["us-east-1a", "us-east-1b"]
    assert len(set(addresses)) == 2
    assert all(address.startswith(f"{cloud.octets}.200.") for address in addresses)
    assert balancer["DNSName"] == addresses[0]
    assert balancer["State"]["Code"] == "active"
    [found] = elb.describe_load_balancers(Names=["api"])["LoadBalancers"]
    assert found == balancer


def test_its_addresses_are_nobody_elses(ec2: "EC2Client", balancer: Any) -> None:
    address = ec2.allocate_address()
    ec2.release_address(AllocationId=address["AllocationId"])
    taken = [
        one["IpAddress"]
        for zone in balancer["AvailabilityZones"]
        for one in zone["LoadBalancerAddresses"]
    ]
    assert address["PublicIp"] not in taken


def test_zones_can_be_added_and_taken_away(elb: Any, balancer: Any, subnets: list[Any]) -> None:
    arn, ids = balancer["LoadBalancerArn"], [one["SubnetId"] for one in subnets]
    first = balancer["AvailabilityZones"]
    more = elb.set_subnets(LoadBalancerArn=arn, Subnets=ids)["AvailabilityZones"]
    assert more[:2] == first
    assert len(more) == len(ids)
    fewer = elb.set_subnets(LoadBalancerArn=arn, Subnets=ids[:2])["AvailabilityZones"]
    assert fewer == first


def test_attributes_have_defaults_and_keep_what_is_not_changed(
    elb: Any, balancer: Any, group: Any
) -> None:
    arn = balancer["LoadBalancerArn"]
    changed = elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": CROSS_ZONE, "Value": "true"}]
    )["Attributes"]
    read = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert changed == read
    values = {one["Key"]: one["Value"] for one in read}
    assert (values[CROSS_ZONE], values["deletion_protection.enabled"]) == ("true", "false")
    read = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])
    values = {one["Key"]: one["Value"] for one in read["Attributes"]}
    assert values["preserve_client_ip.enabled"] == "true"
    assert values["deregistration_delay.timeout_seconds"] == "300"


def test_a_protected_load_balancer_stays(elb: Any, balancer: Any) -> None:
    arn, key = balancer["LoadBalancerArn"], "deletion_protection.enabled"
    for value in ("true", "false"):
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}]
        )
        if value == "true":
            assert refused(elb.delete_load_balancer, LoadBalancerArn=arn) == (
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )


def test_a_health_check_has_defaults_and_can_be_changed(elb: Any, group: Any) -> None:
    assert group["HealthCheckProtocol"] == "TCP"
    assert group["HealthCheckTimeoutSeconds"] == 10
    assert "Matcher" not in group
    arn = group["TargetGroupArn"]
    [changed] = elb.modify_target_group(
        TargetGroupArn=arn, HealthCheckProtocol="HTTP", HealthCheckPath="/ready", **CHECK
    )["TargetGroups"]
    assert changed["Matcher"] == {"HttpCode": "200-399"}
    [changed] = elb.modify_target_group(TargetGroupArn=arn, HealthyThresholdCount=2)["TargetGroups"]
    assert (changed["HealthCheckPath"], changed["HealthCheckIntervalSeconds"]) == ("/ready", 5)
    [changed] = elb.modify_target_group(TargetGroupArn=arn, HealthCheckProtocol="TCP")[
        "TargetGroups"
    ]
    assert "HealthCheckPath" not in changed


def test_a_group_that_a_listener_uses_stays(elb: Any, listener: Any, group: Any) -> None:
    arn = group["TargetGroupArn"]
    [found] = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    assert found["LoadBalancerArns"] == [listener["LoadBalancerArn"]]
    code, _ = refused(elb.delete_target_group, TargetGroupArn=arn)
    assert code == "ResourceInUse"


def test_a_listener_can_be_moved_to_another_port(elb: Any, listener: Any) -> None:
    arn = listener["ListenerArn"]
    [moved] = elb.modify_listener(ListenerArn=arn, Port=81)["Listeners"]
    assert moved["Port"] == 81
    [found] = elb.describe_listeners(ListenerArns=[arn])["Listeners"]
    assert found["DefaultActions"] == listener["DefaultActions"]


def test_a_second_listener_on_a_port_and_a_second_user_of_a_group_are_refused(
    elb: Any, listener: Any, subnets: list[Any]
) -> None:
    same: Any = {"Protocol": "TCP", "Port": 80, "DefaultActions": listener["DefaultActions"]}
    arn = listener["LoadBalancerArn"]
    code, _ = refused(elb.create_listener, LoadBalancerArn=arn, **same)
    assert code == "DuplicateListener"
    [other] = elb.create_load_balancer(
        Name="other", Type="network", Scheme="internal", Subnets=[subnets[0]["SubnetId"]]
    )["LoadBalancers"]
    code, _ = refused(elb.create_listener, LoadBalancerArn=other["LoadBalancerArn"], **same)
    elb.delete_load_balancer(LoadBalancerArn=other["LoadBalancerArn"])
    assert code == "TargetGroupAssociationLimit"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"Subnets": ["subnet-nowhere"]}, "SubnetNotFound", "subnet-nowhere"),
        ({"Subnets": []}, "ValidationError", "At least one subnet"),
        ({"Name": "x" * 33}, "ValidationError", "longer than '32' characters"),
        ({"Name": "a_b"}, "ValidationError", "alphanumeric"),
        ({"Name": "api"}, "DuplicateLoadBalancerName", "'api' exists"),
        ({"SecurityGroups": ["sg-none"]}, "InvalidSecurityGroup", "sg-none"),
        ({"Type": "application"}, "ValidationError", "The local cloud has no"),
    ],
)
def test_a_load_balancer_that_does_not_fit_is_refused(
    elb: Any, balancer: Any, subnets: list[Any], given: Any, code: str, words: str
) -> None:
    del balancer
    usual = {"Name": "bad", "Type": "network", "Subnets": [subnets[0]["SubnetId"]]}
    found, message = refused(elb.create_load_balancer, **{**usual, **given})
    assert found == code
    assert words in message


def test_two_subnets_of_a_zone_are_refused(elb: Any, subnets: list[Any]) -> None:
    ids = [subnets[0]["SubnetId"]] * 2
    found = refused(elb.create_load_balancer, Name="bad", Type="network", Subnets=ids)
    assert found == (
        "InvalidConfigurationRequest",
        "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"HealthCheckIntervalSeconds": 301}, "less than or equal to 300"),
        ({"HealthCheckIntervalSeconds": 5}, "interval must be greater than the timeout"),
        ({"HealthCheckPath": "/ready"}, "cannot be specified for health checks"),
        ({"HealthCheckProtocol": "HTTP", "Matcher": {"HttpCode": "99"}}, "within '200-599'"),
        ({"VpcId": "vpc-nowhere"}, "The VPC ID 'vpc-nowhere' is not found"),
        ({"Name": "-x"}, "cannot begin or end with a hyphen"),
        ({"Protocol": "UDP"}, "The local cloud has no"),
    ],
)
def test_a_target_group_that_does_not_fit_is_refused(
    elb: Any, subnets: list[Any], given: Any, words: str
) -> None:
    usual = {"Name": "bad", "Protocol": "TCP", "Port": 80, "VpcId": subnets[0]["VpcId"]}
    code, message = refused(elb.create_target_group, **{**usual, **given})
    assert words in message
    assert code in ("ValidationError", "InvalidConfigurationRequest")


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("no.such.key", "1", "ValidationError"),
        ("deregistration_delay.timeout_seconds", "3601", "InvalidConfigurationRequest"),
        ("proxy_protocol_v2.enabled", "true", "InvalidConfigurationRequest"),
    ],
)
def test_an_attribute_that_does_not_fit_is_refused(
    elb: Any, group: Any, key: str, value: str, code: str
) -> None:
    found, message = refused(
        elb.modify_target_group_attributes,
        TargetGroupArn=group["TargetGroupArn"],
        Attributes=[{"Key": key, "Value": value}],
    )
    assert found == code
    assert key in message


def test_a_target_that_is_not_there_is_refused_and_unregistered(elb: Any, group: Any) -> None:
    arn, nobody = group["TargetGroupArn"], [{"Id": "i-00000000000000000"}]
    code, _ = refused(elb.register_targets, TargetGroupArn=arn, Targets=nobody)
    assert code == "ValidationError"
    [found] = elb.describe_target_health(TargetGroupArn=arn, Targets=nobody)[
        "TargetHealthDescriptions"
    ]
    assert found["TargetHealth"]["Reason"] == "Target.NotRegistered"
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []
