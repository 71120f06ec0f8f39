"""What is asked of an Auto Scaling group: read, checked, in the words of its record."""

import time
from collections.abc import Callable
from typing import Any

from localcloud.records import ApiError, Record
from localcloud.seams import Emulator
from localcloud.templates import Templates

Fields = dict[str, Any]

SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
_UNSUPPORTED = ("InstanceId", "LaunchConfigurationName", "MixedInstancesPolicy")
POLICIES = ("Default", "NewestInstance", "OldestInstance", "OldestLaunchTemplate")
DEFAULTS: Fields = {
    "DefaultCooldown": 300,
    "DefaultInstanceWarmup": None,
    "HealthCheckGracePeriod": 0,
    "HealthCheckType": "EC2",
    "NewInstancesProtectedFromScaleIn": False,
    "TargetGroupARNs": [],
    "TerminationPolicies": ["Default"],
}


def invalid(message: str) -> ApiError:
    """Make Auto Scaling's usual error."""
    return ApiError("ValidationError", message, service="AutoScaling")


def truth(value: Any) -> bool:
    """Read a boolean as APIs and templates write it."""
    return str(value).lower() == "true"


def now() -> str:
    """Return the time as causes and activities name it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _warmup(value: Any) -> int | None:
    return None if int(value) < 0 else int(value)


def _subnets(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


_PARSERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(SIZES, int),
    "AvailabilityZones": list,
    "DefaultCooldown": int,
    "DefaultInstanceWarmup": _warmup,
    "HealthCheckGracePeriod": int,
    "HealthCheckType": str,
    "NewInstancesProtectedFromScaleIn": truth,
    "TargetGroupARNs": list,
    "TerminationPolicies": list,
    "VPCZoneIdentifier": _subnets,
}


class Reader:
    """Reads what CreateAutoScalingGroup and CloudFormation name."""

    def __init__(self, emulator: Emulator, templates: Templates) -> None:
        self._ec2 = emulator.ec2
        self._templates = templates

    def read(self, fields: Fields) -> Fields:
        """Translate the values that are given.

        Raises:
            ApiError: A value that does not fit, or that the local cloud cannot make true.

        """
        for name in _UNSUPPORTED:
            if fields.get(name):
                raise invalid(
                    f"The local cloud's groups launch from a LaunchTemplate: {name} is not"
                    " supported."
                )
        given = {key: value for key, value in fields.items() if value not in ("", None)}
        if "Cooldown" in given:
            given["DefaultCooldown"] = given["Cooldown"]
        read = {name: parse(given[name]) for name, parse in _PARSERS.items() if name in given}
        for policy in read.get("TerminationPolicies", ()):
            if policy not in POLICIES:
                raise invalid(
                    f"The local cloud knows the termination policies {', '.join(POLICIES)}:"
                    f" {policy} is not supported."
                )
        if "LaunchTemplate" in given:
            read["LaunchTemplate"] = self._named(given["LaunchTemplate"])
        return read

    def _named(self, given: Fields) -> Fields:
        version = self._templates.version(given)
        return {
            "LaunchTemplateId": version["LaunchTemplateId"],
            "LaunchTemplateName": version["LaunchTemplateName"],
            "Version": str(given.get("Version") or "$Default"),
        }

    def place(self, group: Record) -> None:
        """Find a group's subnets, and the zones they are in.

        Raises:
            ApiError: It names none, or one that does not exist.

        """
        named = [one.strip() for one in group.get("VPCZoneIdentifier", "").split(",") if one]
        if not named:
            zones = group.get("AvailabilityZones", ())
            defaults = [one for one in self._ec2._subnets.values() if one.get("DefaultForAz")]
            named = [one["SubnetId"] for one in defaults if one["AvailabilityZone"] in zones]
        missing = [subnet for subnet in named if subnet not in self._ec2._subnets]
        if missing:
            raise invalid(f"The subnet ID '{missing[0]}' does not exist")
        if not named:
            raise invalid("At least one Availability Zone or VPC Subnet is required.")
        if not group.get("LaunchTemplate"):
            raise invalid(
                "Valid requests must contain either LaunchTemplate,"
                " LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter."
            )
        zones = [self._ec2._subnets[subnet]["AvailabilityZone"] for subnet in named]
        group.update(
            AvailabilityZones=list(dict.fromkeys(zones)),
            VPCZoneIdentifier=",".join(named),
            _subnets=named,
        )
