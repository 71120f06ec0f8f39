"""Keep the private key of a stack's own key pair on the control node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; what it shares with its neighbours is found from the root.
sys.path.append(str(Path(__file__).parents[2]))

from plugins.action.local_file import write
from plugins.module_utils.aws_action import AwsAction
from plugins.module_utils.aws_cloud import Cloud, StackError
from plugins.modules.stack_private_key import DOCUMENTATION

_MODE = 0o600


class ActionModule(AwsAction):
    """The controller side of `stack_private_key`."""

    documentation = DOCUMENTATION

    def act(self, cloud: Cloud, options: dict[str, Any]) -> dict[str, Any]:
        """Read the key from the parameter store, and write it unless it is here."""
        parameter = f"/ec2/keypair/{options['key_pair']}"
        found = cloud.ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
        path = Path(options["path"])
        try:
            return {"changed": write(path, found.get("Value", ""), _MODE, check=self.is_check)}
        except OSError as error:
            raise StackError(f"{path} could not be written: {error.strerror}") from error
