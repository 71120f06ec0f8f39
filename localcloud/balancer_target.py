"""A target and how it is, in AWS's words."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from localcloud.balancer_health import Checker
from localcloud.balancer_rules import Endpoint
from localcloud.records import Record, state


@dataclass(frozen=True)
class Health:
    """What DescribeTargetHealth says about a target."""

    state: str
    reason: str = ""
    description: str = ""


HEALTHY = Health("healthy")
REGISTERING = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
# For a Network Load Balancer AWS has this reason only, whatever went wrong; the log says what.
UNHEALTHY = Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
DRAINING = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)
NOT_REGISTERED = Health(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)
NOT_USED = Health(
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
NO_ZONE = Health(
    "unused",
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)


def not_running(instance: Record) -> Health:
    """Return how the target is whose instance does not run."""
    kind = "stopped" if state(instance) in ("stopping", "stopped") else "terminated"
    return Health("unused", "Target.InvalidState", f"Target is in the {kind} state")


@dataclass
class Target:
    """A registered instance.

    Attributes:
        group: ARN of its target group.
        instance: Its instance's record.
        port: Where it listens.
        health: What its health checks say.
        streak: Health checks since the last change: positive passed, negative failed.
        ends: When its deregistration is over, by the monotonic clock; None when it stays.
        checker: What checks it now.

    """

    group: str
    instance: Record
    port: int
    health: Health = REGISTERING
    streak: int = 0
    ends: float | None = None
    checker: Checker | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(IPv4Address(self.instance["PrivateIpAddress"]), self.port)

    @property
    def runs(self) -> bool:
        """Whether its instance runs."""
        return state(self.instance) == "running"

    @property
    def zone(self) -> str:
        """The zone it is in."""
        return str(self.instance["Placement"]["AvailabilityZone"])

    def note(self, healthy: int, unhealthy: int, *, passed: bool) -> None:
        """Take a health check's outcome into account; the first one that passes is enough."""
        self.streak = max(self.streak, 0) + 1 if passed else min(self.streak, 0) - 1
        if passed and (self.health.state == "initial" or self.streak >= healthy):
            self.health = HEALTHY
        elif -self.streak >= unhealthy:
            self.health = UNHEALTHY
        elif self.health == REGISTERING:
            self.health = CHECKING
