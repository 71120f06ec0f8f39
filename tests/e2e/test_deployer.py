"""Somebody with the policies of docs/iam alone deploys, and needs each statement. Order matters."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.deployer import Deployer

AGE = {"SERVER_MAX_CONNECTION_AGE": "2"}
REFLECTION = json.dumps({"release_settings": AGE | {"SERVER_REFLECTION": "true"}})
# What fails first without each statement, and what is refused then.
WITHOUT = {
    "Look": ("plan", "ec2:DescribeVpcs"),
    "Stack": ("plan", "cloudformation:DescribeStacks"),
    "Image": ("plan", "ssm:GetParameter"),
    "Launch": ("plan", "ec2:RunInstances"),
    "KeyPair": ("provision", "ec2:CreateKeyPair"),
    "PrivateKey": ("provision", "ssm:PutParameter"),
    "FirstTag": ("provision", "ec2:CreateTags"),
    "Own": ("provision", "ec2:AuthorizeSecurityGroupIngress"),
    "New": ("provision", "ec2:CreateSecurityGroup"),
}


@pytest.fixture(scope="module")
def deployer(new_environment: EnvironmentFactory) -> Iterator[Deployer]:
    hired = Deployer.hire(new_environment("deployer", release_settings=AGE))
    yield hired
    hired.dismiss()


def test_the_policy_is_enough_to_deploy(deployer: Deployer) -> None:
    deployer.environment.playbook("site.yml")


def test_it_is_enough_to_upgrade_a_host_that_was_stopped(deployer: Deployer) -> None:
    """And to make it larger in the same run."""
    deployer.stop("grpc-server")
    deployer.environment.playbook(
        "site.yml", "-e", REFLECTION, "-e", "stack_instance_type=t3.small"
    )


@pytest.mark.parametrize("playbook", ["status", "rollback", "rotate_certificates"])
def test_it_is_enough_for_day_two(deployer: Deployer, playbook: str) -> None:
    deployer.environment.playbook(f"playbooks/{playbook}.yml")


def test_it_is_enough_to_remove_everything(deployer: Deployer) -> None:
    deployer.environment.playbook("teardown.yml")
    assert deployer.refused() == set()


def test_every_statement_was_the_only_one_to_allow_something(deployer: Deployer) -> None:
    assert deployer.idle() == deployer.unexercised


def test_everything_that_the_project_declares_was_asked_for(deployer: Deployer) -> None:
    assert deployer.not_asked_for("single") == set()


def test_every_statement_is_taken_away_once(deployer: Deployer) -> None:
    assert {*WITHOUT} == {*deployer.statements} - deployer.unexercised


@pytest.mark.parametrize("sid", WITHOUT)
def test_without_a_statement_a_playbook_is_refused(deployer: Deployer, sid: str) -> None:
    playbook, refused = WITHOUT[sid]
    before = len(deployer.calls())
    with deployer.without(sid):
        run = deployer.environment.run("ansible-playbook", f"playbooks/{playbook}.yml")
    assert run.code != 0
    assert refused in deployer.refused(since=before)
