"""Security groups: the rules live in the emulator; here is what it forgets."""

from localcloud.records import ApiError, Handler, Parameters, Response, state
from localcloud.seams import Emulator

_CHANGING = (
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "ModifySecurityGroupRules",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
)


class SecurityGroups:
    """Wakes the controller on every change of a rule, and protects groups in use."""

    def __init__(self, emulator: Emulator) -> None:
        self._ec2 = emulator.ec2
        self._balancers = emulator.alb._lbs
        self._originals: dict[str, Handler] = {
            action: self._ec2._ACTION_MAP[action] for action in (*_CHANGING, "DeleteSecurityGroup")
        }

    def handlers(self) -> dict[str, Handler]:
        """Return the API calls that this module answers."""
        return {**self._originals, "DeleteSecurityGroup": self._delete}

    def _delete(self, parameters: Parameters) -> Response:
        group_id = self._ec2._p(parameters, "GroupId")
        for record in self._ec2._instances.values():
            groups = [group["GroupId"] for group in record["SecurityGroups"]]
            if group_id in groups and state(record) != "terminated":
                raise _in_use(group_id)
        if any(group_id in one["SecurityGroups"] for one in self._balancers.values()):
            raise _in_use(group_id)
        return self._originals["DeleteSecurityGroup"](parameters)


def _in_use(group_id: str) -> ApiError:
    return ApiError("DependencyViolation", f"resource {group_id} has a dependent object")
