"""What Elastic Load Balancing checks everywhere, and its errors."""

import re

from localcloud.records import ApiError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def failed(code: str, message: str) -> ApiError:
    """Return an error of the Elastic Load Balancing API."""
    return ApiError(code, message, service="ElasticLoadBalancingV2")


def listed(value: list[str] | str | None) -> list[str]:
    """Return a list, which a template's parameter may give as one text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value or ())


def check_name(what: str, name: str) -> None:
    """Check a load balancer's or target group's name.

    Raises:
        ApiError: It is missing, too long, or has other characters than AWS allows.

    """
    if not name:
        raise failed("ValidationError", f"{what} name cannot be empty")
    if len(name) > 32:
        message = f"{what} name '{name}' cannot be longer than '32' characters"
        raise failed("ValidationError", message)
    if not _NAME.fullmatch(name):
        allowed = "can only contain characters that are alphanumeric characters or hyphens(-)"
        message = f"{what} name '{name}' {allowed}, and cannot begin or end with a hyphen(-)"
        raise failed("ValidationError", message)
