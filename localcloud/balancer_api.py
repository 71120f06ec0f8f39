"""The Elastic Load Balancing calls of the API: parameters in, XML out."""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from localcloud.addresses import Addresses
from localcloud.balancer import Balancers
from localcloud.balancer_checks import failed
from localcloud.balancer_groups import TargetGroups
from localcloud.balancer_listeners import Listeners
from localcloud.balancer_target import Health
from localcloud.balancer_targets import Targets
from localcloud.records import ApiError, Parameters, Record, Response
from localcloud.seams import Emulator
from localcloud.settings import Settings

Properties = dict[str, Any]
Call = Callable[[Properties], Record]


def parse(parameters: Parameters) -> Properties:
    """Build what a client sent from its flat form: A.member.1.B=x is {"A": [{"B": "x"}]}."""
    tree: Properties = {}
    for key, value in parameters.items():
        *parents, last = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value[0] if isinstance(value, list) else value
    parsed: Properties = _lists(tree)
    return parsed


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if set(node) == {"member"}:
        return [_lists(node["member"][number]) for number in sorted(node["member"], key=int)]
    return {key: _lists(value) for key, value in node.items()}


def render(value: Any) -> str:
    """Write a record as XML; names that begin with an underscore are ours and stay inside."""
    if isinstance(value, dict):
        shown = ((key, one) for key, one in value.items() if not key.startswith("_"))
        return "".join(f"<{key}>{render(one)}</{key}>" for key, one in shown)
    if isinstance(value, list):
        return "".join(f"<member>{render(one)}</member>" for one in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


class BalancerApi:
    """Answers the calls about load balancers, target groups, listeners and targets."""

    def __init__(self, settings: Settings, emulator: Emulator, addresses: Addresses) -> None:
        self._alb = emulator.alb
        self.balancers = Balancers(settings, emulator, addresses)
        self.groups = TargetGroups(emulator)
        self.listeners = Listeners(emulator, self.balancers, self.groups)
        self.targets = Targets(settings, emulator)

    def install(self, kick: Callable[[], None]) -> None:
        """Answer these calls from now on, and ask for a comparison after each change."""
        self.targets.changed = kick
        for action, call in self._calls().items():
            self._alb._ACTION_MAP[action] = self._answering(action, call, kick)

    def delete_balancer(self, arn: str) -> None:
        """Remove a load balancer and its listeners; a missing one is no error."""
        self.balancers.delete(arn)
        self.listeners.delete_all(arn)

    def _calls(self) -> dict[str, Call]:
        return {
            "CreateLoadBalancer": self._create_balancer,
            "CreateListener": self._create_listener,
            "CreateTargetGroup": self._create_group,
            "DeleteListener": self._delete_listener,
            "DeleteLoadBalancer": self._delete_balancer,
            "DeleteTargetGroup": self._delete_group,
            "DeregisterTargets": self._deregister,
            "DescribeListeners": self._describe_listeners,
            "DescribeLoadBalancers": self._describe_balancers,
            "DescribeTargetGroups": self._describe_groups,
            "DescribeTargetHealth": self._describe_health,
            "ModifyListener": self._modify_listener,
            "ModifyLoadBalancerAttributes": self._modify_balancer_attributes,
            "ModifyTargetGroup": self._modify_group,
            "ModifyTargetGroupAttributes": self._modify_group_attributes,
            "RegisterTargets": self._register,
            "SetSecurityGroups": self._set_groups,
            "SetSubnets": self._set_subnets,
        }

    def _answering(
        self, action: str, call: Call, kick: Callable[[], None]
    ) -> Callable[[Parameters], Response]:
        def answer(parameters: Parameters) -> Response:
            try:
                response: Response = self._alb._xml(200, action, render(call(parse(parameters))))
            except ApiError as error:
                response = self._alb._error(error.code, error.message, error.status)
            if not action.startswith("Describe"):
                kick()
            return response

        return answer

    def _tag(self, arn: str, given: Properties) -> None:
        self._alb._tags[arn] = list(given.get("Tags") or [])

    def _create_balancer(self, given: Properties) -> Record:
        made = self.balancers.create(given)
        self._tag(made["LoadBalancerArn"], given)
        return {"LoadBalancers": [made]}

    def _create_group(self, given: Properties) -> Record:
        made = self.groups.create(given)
        self._tag(made["TargetGroupArn"], given)
        return {"TargetGroups": [made]}

    def _create_listener(self, given: Properties) -> Record:
        made = self.listeners.create(given)
        self._tag(made["ListenerArn"], given)
        return {"Listeners": [made]}

    def _delete_balancer(self, given: Properties) -> Record:
        self.delete_balancer(given["LoadBalancerArn"])
        return {}

    def _delete_group(self, given: Properties) -> Record:
        self.groups.delete(given["TargetGroupArn"])
        return {}

    def _delete_listener(self, given: Properties) -> Record:
        self.listeners.find(given["ListenerArn"])
        self.listeners.delete(given["ListenerArn"])
        return {}

    def _modify_listener(self, given: Properties) -> Record:
        return {"Listeners": [self.listeners.change(given["ListenerArn"], given)]}

    def _modify_group(self, given: Properties) -> Record:
        arn = given["TargetGroupArn"]
        return {"TargetGroups": [self.groups.set_health_check(arn, given, keep=True)]}

    def _modify_balancer_attributes(self, given: Properties) -> Record:
        attributes = given.get("Attributes") or []
        return {"Attributes": self.balancers.set_attributes(given["LoadBalancerArn"], attributes)}

    def _modify_group_attributes(self, given: Properties) -> Record:
        attributes = given.get("Attributes") or []
        return {"Attributes": self.groups.set_attributes(given["TargetGroupArn"], attributes)}

    def _set_groups(self, given: Properties) -> Record:
        record = self.balancers.protect(given["LoadBalancerArn"], given.get("SecurityGroups") or [])
        return {"SecurityGroupIds": record["SecurityGroups"]}

    def _set_subnets(self, given: Properties) -> Record:
        record = self.balancers.move(given["LoadBalancerArn"], given)
        return {"AvailabilityZones": record["AvailabilityZones"], "IpAddressType": "ipv4"}

    def _register(self, given: Properties) -> Record:
        group = self.groups.find(given.get("TargetGroupArn", ""))
        self.targets.register(group, given.get("Targets") or [])
        return {}

    def _deregister(self, given: Properties) -> Record:
        group = self.groups.find(given.get("TargetGroupArn", ""))
        self.targets.deregister(group, given.get("Targets") or [])
        return {}

    def _describe_health(self, given: Properties) -> Record:
        group = self.groups.find(given.get("TargetGroupArn", ""))
        shown = self.targets.describe(group, given.get("Targets") or [])
        return {"TargetHealthDescriptions": [_described(group, *one) for one in shown]}

    def _describe_balancers(self, given: Properties) -> Record:
        found = _named(
            self._alb._lbs.values(),
            {
                "LoadBalancerArn": given.get("LoadBalancerArns"),
                "LoadBalancerName": given.get("Names"),
            },
            "LoadBalancerNotFound",
            "load balancers",
        )
        return {"LoadBalancers": found}

    def _describe_groups(self, given: Properties) -> Record:
        found = _named(
            self._alb._tgs.values(),
            {"TargetGroupArn": given.get("TargetGroupArns"), "TargetGroupName": given.get("Names")},
            "TargetGroupNotFound",
            "target groups",
        )
        user = given.get("LoadBalancerArn")
        return {"TargetGroups": [one for one in found if user in (None, *one["LoadBalancerArns"])]}

    def _describe_listeners(self, given: Properties) -> Record:
        found = _named(
            self._alb._listeners.values(),
            {"ListenerArn": given.get("ListenerArns")},
            "ListenerNotFound",
            "listeners",
        )
        owner = given.get("LoadBalancerArn")
        if owner:
            self.balancers.find(owner)
        return {"Listeners": [one for one in found if owner in (None, one["LoadBalancerArn"])]}


def _named(
    records: list[Record], wanted: dict[str, list[str] | None], code: str, what: str
) -> list[Record]:
    found = list(records)
    for field, names in wanted.items():
        if names:
            found = [one for one in found if one[field] in names]
            if set(names) - {one[field] for one in found}:
                raise failed(code, f"One or more {what} not found")
    return found


def _described(group: Record, instance_id: str, port: int, health: Health) -> Record:
    check = group["HealthCheckPort"]
    shown = {"State": health.state}
    if health.reason:
        shown |= {"Reason": health.reason, "Description": health.description}
    return {
        "Target": {"Id": instance_id, "Port": port},
        "HealthCheckPort": port if check == "traffic-port" else check,
        "TargetHealth": shown,
    }
