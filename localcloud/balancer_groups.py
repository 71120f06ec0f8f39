"""Target groups: where their targets listen and how they are checked."""

import re
from typing import Any

from localcloud.balancer_attributes import TARGET_GROUP, merge
from localcloud.balancer_checks import check_name, failed
from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

Properties = dict[str, Any]
_RANGES = {
    "HealthCheckIntervalSeconds": (5, 300, 30),
    "HealthCheckTimeoutSeconds": (2, 120, 10),
    "HealthyThresholdCount": (2, 10, 5),
    "UnhealthyThresholdCount": (2, 10, 2),
}
_HTTP_TIMEOUT = 6
_CODES = re.compile(r"[2-5]\d\d(-[2-5]\d\d)?(,[2-5]\d\d(-[2-5]\d\d)?)*")


def _beyond(name: str, value: object, how: str, limit: int) -> ApiError:
    return failed(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{name[0].lower()}{name[1:]}' failed to"
        f" satisfy constraint: Member must have value {how} than or equal to {limit}",
    )


def number(properties: Properties, name: str, least: int, most: int, default: int) -> int:
    """Return a number among the properties.

    Args:
        properties: Where it is, or is missing.
        name: Its name.
        least: The smallest that AWS takes.
        most: The largest.
        default: What it is when it is missing.

    Raises:
        ApiError: It is too small or too large.

    """
    value = int(properties.get(name) or default)
    if value < least:
        raise _beyond(name, value, "greater", least)
    if value > most:
        raise _beyond(name, value, "less", most)
    return value


def health_check(properties: Properties) -> Record:
    """Return the fields of a health check, with AWS's defaults for a group on TCP.

    Raises:
        ApiError: A value does not fit.

    """
    protocol = str(properties.get("HealthCheckProtocol", "TCP"))
    if protocol not in ("TCP", "HTTP"):
        raise failed(
            "ValidationError",
            f"The local cloud has no health checks by {protocol}: choose TCP or HTTP",
        )
    ranges = dict(_RANGES)
    if protocol == "HTTP":
        ranges["HealthCheckTimeoutSeconds"] = (2, 120, _HTTP_TIMEOUT)
    fields: Record = {name: number(properties, name, *limits) for name, limits in ranges.items()}
    if fields["HealthCheckTimeoutSeconds"] >= fields["HealthCheckIntervalSeconds"]:
        raise failed("ValidationError", "Health check interval must be greater than the timeout.")
    port = str(properties.get("HealthCheckPort", "traffic-port"))
    if port != "traffic-port" and not (port.isdigit() and 1 <= int(port) <= 65535):
        message = f"Health check port '{port}' must be in the range 1-65535 or 'traffic-port'"
        raise failed("ValidationError", message)
    if str(properties.get("HealthCheckEnabled", True)).lower() != "true":
        raise failed(
            "ValidationError",
            "Health check enabled must be true for target groups with target type 'instance'",
        )
    fields |= {
        "HealthCheckProtocol": protocol,
        "HealthCheckPort": port,
        "HealthCheckEnabled": True,
    }
    return fields | _http(protocol, properties)


def _http(protocol: str, properties: Properties) -> Record:
    matcher = (properties.get("Matcher") or {}).get("HttpCode")
    path = properties.get("HealthCheckPath")
    if protocol == "TCP":
        if path or matcher:
            given = "Health check path" if path else "Health check matcher"
            message = f"{given} cannot be specified for health checks with the protocol TCP"
            raise failed("InvalidConfigurationRequest", message)
        return {}
    if path and not str(path).startswith("/"):
        raise failed("ValidationError", f"Health check path '{path}' must begin with '/'")
    codes = str(matcher or "200-399")
    if not _CODES.fullmatch(codes):
        message = f"Health check matcher HTTP code '{codes}' must be within '200-599' inclusive"
        raise failed("ValidationError", message)
    return {"HealthCheckPath": str(path or "/"), "Matcher": {"HttpCode": codes}}


class TargetGroups:
    """Makes, changes and removes target groups in the emulator's records."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._alb = emulator.alb

    def find(self, arn: str) -> Record:
        """Return a target group of the caller's account and region.

        Raises:
            ApiError: There is none.

        """
        found: Record | None = self._alb._tgs.get(arn)
        if found is None:
            raise failed("TargetGroupNotFound", f"Target group '{arn}' not found")
        return found

    def create(self, properties: Properties) -> Record:
        """Record a target group.

        Raises:
            ApiError: A property does not fit.

        """
        name = str(properties.get("Name", ""))
        check_name("Target group", name)
        for key, only in (("Protocol", "TCP"), ("TargetType", "instance")):
            value = properties.get(key, "instance" if key == "TargetType" else "")
            if value != only:
                raise failed("ValidationError", f"The local cloud has no {key} but '{only}'")
        if not properties.get("Port"):
            raise failed("ValidationError", "A port must be specified")
        vpc = properties.get("VpcId")
        if not vpc:
            raise failed("ValidationError", "A VPC ID must be specified")
        if vpc not in self._emulator.ec2._vpcs:
            raise failed("ValidationError", f"The VPC ID '{vpc}' is not found")
        port = number(properties, "Port", 1, 65535, 0)
        check = health_check(properties)
        if any(one["TargetGroupName"] == name for one in self._alb._tgs.values()):
            raise failed(
                "DuplicateTargetGroupName",
                f"A target group with the same name '{name}' exists, but with different settings",
            )
        responses = self._emulator.responses
        region, account = responses.get_region(), responses.get_account_id()
        arn = (
            f"arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}"
            f"/{self._alb._short_id()}"
        )
        record: Record = {
            "TargetGroupArn": arn,
            "TargetGroupName": name,
            "Protocol": "TCP",
            "Port": port,
            "VpcId": vpc,
            "TargetType": "instance",
            "IpAddressType": "ipv4",
            "LoadBalancerArns": [],
            **check,
        }
        self._alb._tgs[arn] = record
        self._alb._tg_attrs[arn] = [
            {"Key": key, "Value": one.default} for key, one in TARGET_GROUP.items()
        ]
        return record

    def set_health_check(self, arn: str, properties: Properties, *, keep: bool) -> Record:
        """Change the health check.

        Args:
            arn: The target group.
            properties: What to change.
            keep: Whether what is not given stays as it is, or takes its default.

        """
        record = self.find(arn)
        former = {key: value for key, value in record.items() if "Health" in key}
        if properties.get("HealthCheckProtocol", former["HealthCheckProtocol"]) == "HTTP":
            former["Matcher"] = record.get("Matcher")
        else:
            former.pop("HealthCheckPath", None)
        check = health_check({**(former if keep else {}), **properties})
        for key in ("HealthCheckPath", "Matcher"):
            record.pop(key, None)
        record.update(check)
        return record

    def set_attributes(self, arn: str, given: list[Record]) -> list[Record]:
        """Change attributes and return all of them."""
        self.find(arn)
        merge("Target group", TARGET_GROUP, self._alb._tg_attrs[arn], given)
        attributes: list[Record] = self._alb._tg_attrs[arn]
        return attributes

    def delete(self, arn: str) -> None:
        """Remove a target group; a missing one is no error.

        Raises:
            ApiError: A listener uses it.

        """
        record = self._alb._tgs.get(arn)
        if record and record["LoadBalancerArns"]:
            message = f"Target group '{arn}' is currently in use by a listener or a rule"
            raise failed("ResourceInUse", message)
        for store in (self._alb._tgs, self._alb._tg_attrs, self._alb._tags):
            store.pop(arn, None)
