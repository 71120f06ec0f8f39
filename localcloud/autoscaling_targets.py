"""What Auto Scaling asks of the load balancer: targets in, targets out, how they are."""

import logging
import re

from localcloud.records import Record
from localcloud.seams import Emulator

logger = logging.getLogger("localcloud")
_HEALTH = re.compile(
    r"<Target>.*?<Id>(.*?)</Id>.*?<TargetHealth>.*?<State>(.*?)</State>", re.DOTALL
)


class Targets:
    """Calls the load balancer's API inside the process, whoever answers it."""

    def __init__(self, emulator: Emulator) -> None:
        self._alb = emulator.alb

    def exists(self, arn: str) -> bool:
        """Say whether there is such a target group."""
        return self._call("DescribeTargetHealth", arn)[0]

    def register(self, arn: str, instance_id: str) -> bool:
        """Let a target group send traffic to an instance, once healthy; say whether it may."""
        return self._call("RegisterTargets", arn, instance_id)[0]

    def deregister(self, arn: str, instance_id: str) -> None:
        """Take an instance out of a target group; its connections drain."""
        self._call("DeregisterTargets", arn, instance_id)

    def health(self, arn: str) -> dict[str, str]:
        """Return the states of a target group's targets; none when the group is gone."""
        return dict(_HEALTH.findall(self._call("DescribeTargetHealth", arn)[1]))

    def synchronize(self, group: Record, member: Record) -> None:
        """Register a member in its group's target groups, and out of those no longer named."""
        wanted, now = set(group["TargetGroupARNs"]), member["_registered"]
        for arn in now - wanted:
            self.deregister(arn, member["InstanceId"])
        fresh = {arn for arn in wanted - now if self.register(arn, member["InstanceId"])}
        member["_registered"] = (now & wanted) | fresh

    def leave(self, member: Record) -> None:
        """Take a member out of every target group it is in."""
        for arn in member["_registered"]:
            self.deregister(arn, member["InstanceId"])

    def _call(self, action: str, arn: str, instance_id: str = "") -> tuple[bool, str]:
        parameters = {"TargetGroupArn": arn}
        if instance_id:
            parameters["Targets.member.1.Id"] = instance_id
        status, _, body = self._alb._ACTION_MAP[action](parameters)
        said = body.decode() if isinstance(body, bytes) else str(body)
        if status >= 400:
            logger.info("%s %s %s: %s", action, arn, instance_id, said)
        return status < 400, said if status < 400 else ""
