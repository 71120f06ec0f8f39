"""Somebody with the policies of docs/iam alone deploys a fleet. The order matters."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Cloud
from tests.e2e.conftest import EnvironmentFactory
from tests.e2e.deployer import Deployer

AGE = {"SERVER_MAX_CONNECTION_AGE": "2"}
REFLECTION = json.dumps({"release_settings": AGE | {"SERVER_REFLECTION": "true"}})


@pytest.fixture(scope="module")
def deployer(
    request: pytest.FixtureRequest, new_environment: EnvironmentFactory, cloud: Cloud
) -> Iterator[Deployer]:
    if not request.config.getoption("--fleet"):
        pytest.skip("a fleet takes some minutes: pytest --fleet tests/e2e/test_fleet_deployer.py")
    environment = new_environment(
        "crew",
        topology="fleet",
        release_settings=AGE,
        stack_vpc_cidr=f"{cloud.octets}.64.0/20",
        stack_draining_seconds=5,
    )
    hired = Deployer.hire(environment)
    yield hired
    hired.dismiss()


def test_the_policies_are_enough_to_deploy(deployer: Deployer) -> None:
    deployer.environment.playbook("site.yml")


def test_they_are_enough_to_upgrade(deployer: Deployer) -> None:
    """With another launch template, and a client's host that was stopped."""
    deployer.stop("grpc-client")
    deployer.environment.playbook(
        "site.yml", "-e", REFLECTION, "-e", "stack_instance_type=t3.medium"
    )


@pytest.mark.parametrize("playbook", ["status", "rollback", "rotate_certificates", "replace_hosts"])
def test_they_are_enough_for_day_two(deployer: Deployer, playbook: str) -> None:
    deployer.environment.playbook(f"playbooks/{playbook}.yml")
    assert deployer.refused() == set()


@pytest.mark.parametrize(
    ("sid", "playbook", "refused"),
    [
        ("Objects", "deploy", "s3:GetObject"),
        ("Certificates", "rotate_certificates", "ssm:GetParameters"),
    ],
)
def test_without_a_statement_a_playbook_is_refused(
    deployer: Deployer, sid: str, playbook: str, refused: str
) -> None:
    before = len(deployer.calls())
    with deployer.without(sid):
        deployer.environment.playbook(f"playbooks/{playbook}.yml", expect=2)
    assert deployer.refused(since=before) == {refused}


def test_they_are_enough_to_remove_everything(deployer: Deployer) -> None:
    deployer.environment.playbook("teardown.yml")
    assert deployer.refused() == {"s3:GetObject", "ssm:GetParameters"}


def test_every_statement_was_the_only_one_to_allow_something(deployer: Deployer) -> None:
    assert deployer.idle() == deployer.unexercised


def test_everything_that_the_project_declares_was_asked_for(deployer: Deployer) -> None:
    assert deployer.not_asked_for("fleet") == set()
