"""Stacks that an earlier run left broken: mended when that loses nothing, else explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.module_utils.aws_cloud import StackError
from plugins.module_utils.stack_events import Watch, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

# A create that never succeeded served nobody: removing what is left of it loses nothing.
NEVER_CREATED = {"REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
BROKEN = NEVER_CREATED | {"DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"}
_GONE = {"DELETE_COMPLETE", "DELETE_SKIPPED"}


@dataclass(frozen=True)
class Repair:
    """How to repair one stack: where to say so, seconds to wait, the command that removes it."""

    cloudformation: CloudFormationClient
    name: str
    words: Mapping[str, str]
    say: Callable[[str], None]
    timeout: float
    teardown: str = "ansible-playbook teardown.yml"

    def mend(self, stack: StackTypeDef) -> StackTypeDef | None:
        """Bring a broken stack into a state that can be deployed to; None means it is gone.

        Raises StackError, with the command to type, when mending fails or would lose a host.
        """
        status = stack["StackStatus"]
        if status == "UPDATE_ROLLBACK_FAILED":
            return self._continue_rollback(stack)
        if status == "DELETE_FAILED" and (hosts := self._hosts(stack)):
            raise StackError(
                f"The stack {self.name} was half deleted by an earlier run and still has "
                f"{', '.join(hosts)}: going on would delete it. To finish the removal: "
                f"{self.teardown} -e confirm={self.name}"
            )
        self.say(f"The stack {self.name} was left in {status}: removing what is left of it")
        self._delete(stack)
        return None

    def _hosts(self, stack: StackTypeDef) -> list[str]:
        resources = self.cloudformation.describe_stack_resources(StackName=stack["StackId"])
        return [
            resource.get("PhysicalResourceId", "")
            for resource in resources["StackResources"]
            if resource["ResourceType"] == "AWS::EC2::Instance"
            and resource["ResourceStatus"] not in _GONE
        ]

    def _delete(self, stack: StackTypeDef) -> None:
        watch = Watch(self.cloudformation, stack["StackId"], self.words, self.say)
        self.cloudformation.delete_stack(StackName=stack["StackId"])
        if watch.wait(self.timeout) != "DELETE_COMPLETE":
            what, why = watch.first_failure()
            raise StackError(
                f"The stack {self.name} could not be removed: {what} failed first: {why}. "
                "Remove what holds it, then run the same command again"
            )

    def _continue_rollback(self, stack: StackTypeDef) -> StackTypeDef | None:
        self.say(f"The stack {self.name} was left in UPDATE_ROLLBACK_FAILED: undoing it again")
        watch = Watch(self.cloudformation, stack["StackId"], self.words, self.say)
        self.cloudformation.continue_update_rollback(StackName=stack["StackId"])
        if watch.wait(self.timeout) != "UPDATE_ROLLBACK_COMPLETE":
            what, why = watch.first_failure()
            raise StackError(
                f"The failed update of {self.name} cannot be undone: {what} failed first: {why}. "
                "Correct that and run the same command again; or give that resource up "
                "(CloudFormation no longer knows its state): aws cloudformation "
                f"continue-update-rollback --stack-name {self.name} "
                f"--resources-to-skip {what.rpartition('(')[2].rstrip(')')}"
            )
        return describe(self.cloudformation, stack["StackId"])
