"""Attributes of load balancers and target groups: names, defaults, what may be chosen."""

import re
from dataclasses import dataclass

from localcloud.balancer_checks import failed
from localcloud.records import Record

_SWITCH = "true|false"


@dataclass(frozen=True)
class Attribute:
    """An attribute.

    Attributes:
        default: AWS's default for a Network Load Balancer.
        allowed: Pattern of the values that AWS accepts.
        works: Whether the local cloud has it; otherwise the default is the only choice.

    """

    default: str
    allowed: str = ".*"
    works: bool = False


LOAD_BALANCER = {
    "access_logs.s3.enabled": Attribute("false", _SWITCH),
    "access_logs.s3.bucket": Attribute(""),
    "access_logs.s3.prefix": Attribute(""),
    "deletion_protection.enabled": Attribute("false", _SWITCH, works=True),
    "dns_record.client_routing_policy": Attribute("any_availability_zone"),
    "ipv6.deny_all_igw_traffic": Attribute("false", _SWITCH),
    "load_balancing.cross_zone.enabled": Attribute("false", _SWITCH, works=True),
    "zonal_shift.config.enabled": Attribute("false", _SWITCH),
}
TARGET_GROUP = {
    "deregistration_delay.connection_termination.enabled": Attribute("false", _SWITCH, works=True),
    "deregistration_delay.timeout_seconds": Attribute(
        "300", "[0-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600", works=True
    ),
    "load_balancing.cross_zone.enabled": Attribute(
        "use_load_balancer_configuration", f"{_SWITCH}|use_load_balancer_configuration", works=True
    ),
    "preserve_client_ip.enabled": Attribute("true", _SWITCH, works=True),
    "proxy_protocol_v2.enabled": Attribute("false", _SWITCH),
    "stickiness.enabled": Attribute("false", _SWITCH),
    "stickiness.type": Attribute("source_ip"),
    "target_group_health.dns_failover.minimum_healthy_targets.count": Attribute("1"),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": Attribute("off"),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": Attribute("1"),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": Attribute(
        "off"
    ),
    "target_health_state.unhealthy.connection_termination.enabled": Attribute(
        "true", _SWITCH, works=True
    ),
    "target_health_state.unhealthy.draining_interval_seconds": Attribute("0"),
}


def values(attributes: list[Record]) -> dict[str, str]:
    """Return the values by key."""
    return {one["Key"]: one["Value"] for one in attributes}


def merge(
    what: str, known: dict[str, Attribute], attributes: list[Record], given: list[Record]
) -> None:
    """Check attributes and write them over those that a resource has; all or none.

    Args:
        what: Whose they are, for the message.
        known: What may be chosen.
        attributes: Those that the resource has; changed in place.
        given: Those to change.

    Raises:
        ApiError: A key or a value does not fit.

    """
    wanted = {str(one.get("Key", "")): _text(one.get("Value", "")) for one in given}
    for key, value in wanted.items():
        _check(what, known, key, value)
    for one in attributes:
        one["Value"] = wanted.get(one["Key"], one["Value"])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(what: str, known: dict[str, Attribute], key: str, value: str) -> None:
    found = known.get(key)
    if found is None:
        message = f"{what} attribute key '{key}' is not recognized"
        raise failed("ValidationError", message)
    if not re.fullmatch(found.allowed, value):
        message = f"{what} attribute value '{value}' is not valid for the key '{key}'"
        raise failed("InvalidConfigurationRequest", message)
    if not found.works and value != found.default:
        message = f"The local cloud has '{key}' with the value '{found.default}' only"
        raise failed("InvalidConfigurationRequest", message)
