"""What the action plugins share: options from their documentation, clients, error messages."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from plugins.doc_fragments.aws import ModuleDocFragment
from plugins.module_utils.argument_spec import argument_spec
from plugins.module_utils.aws_cloud import AwsError, Cloud, StackError, explain

_COMMON = ModuleDocFragment.DOCUMENTATION


class AwsAction(ActionBase):
    """An action that talks to AWS from the control node, so that it can show its progress."""

    TRANSFERS_FILES = False
    documentation = ""
    variables: dict[str, Any]

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Check the options, act, and turn the errors of AWS into messages for a person."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        specification = argument_spec(self.documentation) | argument_spec(_COMMON)
        _, options = self.validate_argument_spec(argument_spec=specification)
        aws = options["aws"] or self._templar.template(self.variables.get("aws", {}))
        cloud = Cloud(aws)
        try:
            return result | self.act(cloud, options)
        except StackError as error:
            return result | {"failed": True, "msg": str(error)}
        except AwsError as error:
            return result | {"failed": True, "msg": explain(error, cloud.endpoint)}

    @abstractmethod
    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Do the action's work and return its result."""

    def say(self, line: str) -> None:
        """Show one line of progress now, not when the task ends."""
        Display().display(line)

    @property
    def is_check(self) -> bool:
        """Whether the run must not change anything."""
        return bool(self._task.check_mode)
