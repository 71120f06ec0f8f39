"""Everything that can be known beforehand is checked before anything is created."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.stack_preflight import Findings, Preflight, Wish, check_cidr
from tests.plugins.stubs import answers, new_cloud, stack

if TYPE_CHECKING:
    from plugins.module_utils.aws_cloud import Cloud

WISH = Wish(
    name="demo",
    architecture="x86_64",
    instance_type="t3.micro",
    key_name="",
    subnet_id="",
    ssh_ingress_cidr="203.0.113.7/32",
)
MISSING = "ValidationError: Stack with id demo does not exist"
CALLER = ("get_caller_identity", {"Account": "1", "Arn": "arn:aws:iam::1:user/ana"})
VPC = ("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
IMAGE = ("get_parameter", {"Parameter": {"Value": "ami-new"}})
ALLOWED = ("run_instances", "DryRunOperation")


def deployed(**parameters: str) -> dict[str, Any]:
    pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    return stack("CREATE_COMPLETE", Parameters=pairs)


def run(wish: Wish, current: Any, *ec2: Any, ssm: Any = (IMAGE,)) -> Findings:
    cloud: Cloud = new_cloud()
    with ExitStack() as stack_of_stubs:
        for client, calls in (
            (cloud.cloudformation, [("describe_stacks", current)]),
            (cloud.sts, [CALLER]),
            (cloud.ec2, ec2),
            (cloud.ssm, ssm),
        ):
            stack_of_stubs.enter_context(answers(client, *calls))
        return Preflight(cloud, wish).run()


def test_a_first_run_resolves_the_newest_image_and_asks_whether_it_may_launch() -> None:
    found = run(WISH, MISSING, VPC, ALLOWED)
    assert found.parameters == {"ImageId": "ami-new", "SubnetId": "", "VpcId": ""}
    assert found.identity == "arn:aws:iam::1:user/ana"


def test_a_later_run_keeps_the_image_of_the_stack() -> None:
    current = deployed(ImageId="ami-old", Architecture="x86_64")
    assert run(WISH, current, VPC, ssm=()).parameters["ImageId"] == "ami-old"


def test_a_replacement_that_is_asked_for_takes_the_newest_image() -> None:
    current = deployed(ImageId="ami-old", Architecture="x86_64")
    wish = replace(WISH, replace_instance=True)
    assert run(wish, current, VPC, ALLOWED).parameters["ImageId"] == "ami-new"


def test_a_create_that_failed_does_not_pin_its_image() -> None:
    current = deployed(ImageId="ami-old")
    current["Stacks"][0]["StackStatus"] = "ROLLBACK_COMPLETE"
    assert run(WISH, current, VPC, ALLOWED).parameters["ImageId"] == "ami-new"


def test_another_architecture_needs_a_new_host() -> None:
    cloud = new_cloud()
    current = deployed(ImageId="ami-old", Architecture="arm64")
    with (
        answers(cloud.cloudformation, ("describe_stacks", current)),
        answers(cloud.sts, CALLER),
        pytest.raises(StackError, match="stack_replace_instance=true"),
    ):
        Preflight(cloud, WISH).run()


def test_a_subnet_brings_its_vpc() -> None:
    subnets = ("describe_subnets", {"Subnets": [{"VpcId": "vpc-2"}]})
    found = run(replace(WISH, subnet_id="subnet-1"), MISSING, subnets, ALLOWED)
    assert found.parameters == {"ImageId": "ami-new", "SubnetId": "subnet-1", "VpcId": "vpc-2"}


@pytest.mark.parametrize(
    ("changes", "calls", "message"),
    [
        (
            {"key_name": "nope"},
            [("describe_key_pairs", "InvalidKeyPair.NotFound")],
            "key pair nope",
        ),
        ({}, [("describe_vpcs", {"Vpcs": []})], "no default VPC.*create-default-vpc"),
        (
            {"instance_limit": 1},
            [
                VPC,
                ("describe_instances", {"Reservations": [{"Instances": [{"InstanceId": "i-9"}]}]}),
            ],
            "may have 1: .*i-9",
        ),
        (
            {},
            [VPC, ("run_instances", "UnauthorizedOperation: You are not authorized")],
            "would not launch a t3.micro from ami-new: You are not authorized",
        ),
    ],
)
def test_what_is_in_the_way_is_named(
    changes: dict[str, Any], calls: list[Any], message: str
) -> None:
    cloud = new_cloud()
    with (
        answers(cloud.cloudformation, ("describe_stacks", MISSING)),
        answers(cloud.sts, CALLER),
        answers(cloud.ec2, *calls),
        answers(cloud.ssm, *([] if "key_name" in changes else [IMAGE])),
        pytest.raises(StackError, match=message),
    ):
        Preflight(cloud, replace(WISH, **changes)).run()


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("", "is not set: .*-e ssh_ingress_cidr="),
        ("203.0.113.7", None),
        ("203.0.113.7/24", "is no IPv4 range: .*host bits"),
        ("me", "is no IPv4 range"),
        ("0.0.0.0/0", "to the internet: .*stack_allow_ssh_from_anywhere=true"),
        ("0.0.0.0/1", "to the internet"),
        ("203.0.113.0/24", None),
    ],
)
def test_ssh_opens_to_a_named_range_only(cidr: str, message: str | None) -> None:
    wish = replace(WISH, ssh_ingress_cidr=cidr)
    if message is None:
        check_cidr(wish)
        return
    with pytest.raises(StackError, match=message):
        check_cidr(wish)


def test_ssh_opens_to_everybody_when_asked_for_by_name() -> None:
    check_cidr(replace(WISH, ssh_ingress_cidr="0.0.0.0/0", allow_ssh_from_anywhere=True))
