"""Stacks of the cloud under test."""

from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from tests.localcloud.guests import until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def parameters(**values: str) -> list[Any]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


class Stack:
    """One stack and what a client asks about it."""

    def __init__(
        self, client: "CloudFormationClient", name: str, template: str, **always: str
    ) -> None:
        self.client = client
        self.name = name
        self.template = template
        self.always = always

    def create(self, **values: str) -> str:
        given = parameters(**{**self.always, **values})
        self.client.create_stack(
            StackName=self.name,
            TemplateBody=self.template,
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )
        return self.settled()

    def update(self, **values: str) -> str:
        given = parameters(**{**self.always, **values})
        self.client.update_stack(
            StackName=self.name,
            TemplateBody=self.template,
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )
        return self.settled()

    def status(self) -> str:
        return self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]

    def settled(self) -> str:
        until(lambda: not self.status().endswith("IN_PROGRESS"), f"{self.name} has settled")
        return self.status()

    def outputs(self) -> dict[str, str]:
        found = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["Outputs"]
        return {one["OutputKey"]: one["OutputValue"] for one in found}

    def reasons(self) -> list[str]:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [one.get("ResourceStatusReason", "") for one in events]

    def delete(self) -> None:
        self.client.delete_stack(StackName=self.name)
        until(self.gone, f"{self.name} is deleted")

    def gone(self) -> bool:
        try:
            self.client.describe_stacks(StackName=self.name)
        except ClientError:
            return True
        return False

    def changes(self, kind: Literal["CREATE", "UPDATE"], **values: str) -> Any:
        self.client.create_change_set(
            StackName=self.name,
            ChangeSetName="look",
            ChangeSetType=kind,
            TemplateBody=self.template,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=parameters(**{**self.always, **values}),
        )
        until(lambda: self.change_set()["Status"] in ("CREATE_COMPLETE", "FAILED"), "it is there")
        found = self.change_set()
        self.client.delete_change_set(StackName=self.name, ChangeSetName="look")
        return found

    def change_set(self) -> Any:
        return self.client.describe_change_set(StackName=self.name, ChangeSetName="look")
