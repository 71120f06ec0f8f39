"""Create or update a CloudFormation stack through a change set, showing its progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.module_utils import stack_changes, stack_template
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import AwsError, Cloud, StackError, code_of, message_of
from plugins.module_utils.stack_events import Watch, describe, is_busy
from plugins.module_utils.stack_recovery import BROKEN, Repair
from plugins.modules.stack_deploy import DOCUMENTATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudformation.type_defs import StackTypeDef


class ActionModule(AwsAction):
    """The controller side of `stack_deploy`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Validate, settle, mend, compute the change, and carry it out unless in check mode."""
        deployment = _Deployment(cloud, options, self.say)
        deployment.validate()
        stack = deployment.settled()
        if stack is not None and stack["StackStatus"] in BROKEN:
            if self.is_check:
                return deployment.would_mend(stack)
            stack = deployment.mended(stack)
        return deployment.apply(stack, check=self.is_check)


class _Deployment:
    def __init__(self, cloud: Cloud, options: dict[str, Any], say: Callable[[str], None]) -> None:
        self._cloudformation = cloud.cloudformation
        self._options = options
        self._name: str = options["name"]
        self._say = say
        self._template = Path(options["template"]).read_text(encoding="utf-8")
        self._words = stack_template.descriptions(self._template)

    def validate(self) -> None:
        try:
            self._cloudformation.validate_template(TemplateBody=self._template)
        except AwsError as error:
            if code_of(error) != "ValidationError":
                raise
            raise StackError(
                f"The template {self._options['template']} is not valid: {message_of(error)}. "
                f"Nothing was created; look at it with: cfn-lint {self._options['template']}"
            ) from error

    def settled(self) -> StackTypeDef | None:
        stack = describe(self._cloudformation, self._name)
        if stack is None or not is_busy(stack["StackStatus"]):
            return stack
        self._say(f"An earlier run is still at work on {self._name}: waiting for it to end")
        stack = self._watch(stack["StackId"]).settle(self._options["timeout"])
        return None if stack is None or stack["StackStatus"] == "DELETE_COMPLETE" else stack

    def mended(self, stack: StackTypeDef) -> StackTypeDef | None:
        repair = Repair(
            self._cloudformation,
            self._name,
            self._words,
            self._say,
            self._options["timeout"],
            self._options["teardown_command"],
        )
        return repair.mend(stack)

    def would_mend(self, stack: StackTypeDef) -> dict[str, Any]:
        status = stack["StackStatus"]
        way = "undo it again" if status == "UPDATE_ROLLBACK_FAILED" else "remove and create it anew"
        line = f"  ! the stack was left in {status}: a run would first {way}\n"
        return self._result(stack, changed=True) | {"diff": {"prepared": line}}

    def apply(self, stack: StackTypeDef | None, *, check: bool) -> dict[str, Any]:
        wanted = stack_changes.create(
            self._cloudformation,
            self._name,
            self._template,
            self._options["parameters"],
            self._options["capabilities"],
            exists=stack is not None,
        )
        if not wanted.changes:
            return self._result(stack, changed=False)
        difference = stack_changes.difference(wanted, _parameters(stack), self._words)
        executed = False
        try:
            if not check:
                self._refuse_replacement(wanted)
                executed = True
                self._execute(wanted, created=stack is None)
        finally:
            if not executed:
                stack_changes.discard(self._cloudformation, wanted, shell=stack is None)
        after = stack if check else describe(self._cloudformation, wanted.stack_id)
        changes = [change.said(self._words) for change in wanted.changes]
        result = self._result(after, changed=True)
        return result | {"changes": changes, "diff": {"prepared": difference}}

    def _refuse_replacement(self, wanted: stack_changes.ChangeSet) -> None:
        if self._options["allow_replacement"]:
            return
        for change in wanted.changes:
            if change.resource_type == "AWS::EC2::Instance" and (
                change.replaces or change.action == "Remove"
            ):
                raise StackError(
                    f"The host {change.physical_id} would be replaced because of "
                    f"{', '.join(change.properties)}: nothing was changed. If you want a new host "
                    f"in its place: {self._options['replace_command']}"
                )

    def _execute(self, wanted: stack_changes.ChangeSet, *, created: bool) -> None:
        verb = "Creating" if created else "Updating"
        self._say(f"{verb} the stack {self._name}, {len(wanted.changes)} of its resources")
        watch = self._watch(wanted.stack_id)
        self._cloudformation.execute_change_set(
            ChangeSetName=wanted.identifier, StackName=wanted.stack_id
        )
        status = watch.wait(self._options["timeout"])
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return
        what, why = watch.first_failure()
        kept = "what was created is removed again" if created else "the stack is as it was before"
        raise StackError(
            f"The stack {self._name} could not be {'created' if created else 'updated'}: {what} "
            f"failed first: {why}. It ended in {status}: {kept}. "
            f"Correct that, then: {self._options['command']}"
        )

    def _watch(self, stack_id: str) -> Watch:
        return Watch(self._cloudformation, stack_id, self._words, self._say)

    def _result(self, stack: StackTypeDef | None, *, changed: bool) -> dict[str, Any]:
        outputs = stack.get("Outputs", []) if stack else []
        return {
            "changed": changed,
            "changes": [],
            "outputs": {item.get("OutputKey"): item.get("OutputValue") for item in outputs},
            "status": stack["StackStatus"] if stack else "",
        }


def _parameters(stack: StackTypeDef | None) -> dict[str, str]:
    return {
        item.get("ParameterKey", ""): item.get("ParameterValue", "")
        for item in (stack.get("Parameters", []) if stack else [])
    }
