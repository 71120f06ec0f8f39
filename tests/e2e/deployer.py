"""The person who deploys: a user of the local cloud with the policies of docs/iam and no other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml

from docs.iam import needs, scopes
from localcloud.settings import RUN_ROOT
from tests.e2e.environment import Environment

# The policies' statements, by the files that playbooks/iam.yml wrote.
Documents = dict[Path, dict[str, Any]]


@dataclass
class Deployer:
    """A user whose key an environment uses."""

    environment: Environment
    iam: Any
    ec2: Any
    documents: Documents
    policies: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def hire(cls, environment: Environment) -> "Deployer":
        """Have the policies written, and let the environment use the key of a user who has them."""
        environment.playbook("playbooks/iam.yml")
        documents: Documents = {
            path: json.loads(path.read_text())
            for path in sorted((environment.state / "iam").iterdir())
        }
        operator: Any = boto3.Session("local", "local", region_name="us-east-1")
        iam, ec2 = (
            operator.client(service, endpoint_url=environment.cloud.endpoint)
            for service in ("iam", "ec2")
        )
        hired = cls(environment, iam, ec2, documents)
        iam.create_user(UserName=hired.user)
        for path, document in documents.items():
            made = iam.create_policy(
                PolicyName=f"{hired.user}-{path.stem}", PolicyDocument=json.dumps(document)
            )
            hired.policies[path] = made["Policy"]["Arn"]
            iam.attach_user_policy(UserName=hired.user, PolicyArn=hired.policies[path])
        key = iam.create_access_key(UserName=hired.user)["AccessKey"]
        hired._use(key["AccessKeyId"], key["SecretAccessKey"])
        return hired

    def dismiss(self) -> None:
        """Remove the user, key and policies; the environment has the operator's key again."""
        self._use("local", "local")
        for arn in self.policies.values():
            self.iam.detach_user_policy(UserName=self.user, PolicyArn=arn)
            self.iam.delete_policy(PolicyArn=arn)
        for key in self.iam.list_access_keys(UserName=self.user)["AccessKeyMetadata"]:
            self.iam.delete_access_key(UserName=self.user, AccessKeyId=key["AccessKeyId"])
        self.iam.delete_user(UserName=self.user)

    @property
    def user(self) -> str:
        """The user's name."""
        return f"{self.environment.name}-deployer"

    @property
    def statements(self) -> list[str]:
        """The names of all statements."""
        return [
            statement["Sid"]
            for document in self.documents.values()
            for statement in document["Statement"]
        ]

    def stop(self, role: str) -> None:
        """As the operator, stop the hosts of a role, such as grpc-server."""
        names = {"tag:Deployment": self.environment.name, "tag:Role": role}
        filters = [{"Name": name, "Values": [value]} for name, value in names.items()]
        running = [*filters, {"Name": "instance-state-name", "Values": ["running"]}]
        hosts = [
            instance["InstanceId"]
            for reservation in self.ec2.describe_instances(Filters=running)["Reservations"]
            for instance in reservation["Instances"]
        ]
        self.ec2.stop_instances(InstanceIds=hosts)
        self.ec2.get_waiter("instance_stopped").wait(InstanceIds=hosts)

    @contextmanager
    def without(self, sid: str) -> Iterator[None]:
        """Take a statement away from the user for a while."""
        [(path, document)] = [
            (path, document)
            for path, document in self.documents.items()
            if sid in {statement["Sid"] for statement in document["Statement"]}
        ]
        rest = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        self._set(path, {**document, "Statement": rest})
        try:
            yield
        finally:
            self._set(path, document)

    def calls(self) -> list[dict[str, Any]]:
        """What the user's key was asked permission for, as the local cloud has noted it."""
        log = RUN_ROOT / self.environment.cloud.name / "access.jsonl"
        every = [json.loads(line) for line in log.read_text().splitlines()]
        return [one for one in every if one["principal"].endswith(f":user/{self.user}")]

    def refused(self, since: int = 0) -> set[str]:
        """The permissions that the user was asked for and does not have, after some calls."""
        return {one["action"] for one in self.calls()[since:] if one["decision"] != "Allow"}

    def idle(self) -> set[str]:
        """The statements that were never the only one to allow something."""
        every = [{*one["statements"]} for one in self.calls()]
        return {*self.statements}.difference(*(one for one in every if len(one) == 1))

    @property
    def unexercised(self) -> set[str]:
        """The statements for what only AWS does."""
        return {one.sid for one in scopes.SCOPES if one.unexercised} & {*self.statements}

    def not_asked_for(self, document: str) -> set[str]:
        """What the project's own code declares, and has not needed."""
        asked = {one["action"] for one in self.calls()}
        declared = {
            one.action for one in needs.CALLS if document in one.documents and not one.unexercised
        }
        return declared - asked

    def _set(self, path: Path, document: dict[str, Any]) -> None:
        arn = self.policies[path]
        self.iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True
        )
        for version in self.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])

    def _use(self, key: str, secret: str) -> None:
        path = self.environment.inventory / "cloudformation_stack.yml"
        plugin = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(plugin | {"access_key": key, "secret_key": secret}))
