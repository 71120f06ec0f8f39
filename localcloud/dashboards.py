"""CloudWatch dashboards: their body is checked, a picture is drawn by AWS only."""

import json
from typing import Any

from localcloud.records import ApiError, Record
from localcloud.seams import Emulator

_WIDGETS = ("alarm", "custom", "explorer", "log", "metric", "text")
_NEEDED = {
    "alarm": ("alarms",),
    "log": ("query", "region"),
    "metric": ("region",),
    "text": ("markdown",),
}
_COLUMNS = 24


def _refused(path: str, message: str) -> ApiError:
    said = f"The dashboard body is invalid, there are 1 validation errors: {path}: {message}"
    return ApiError("InvalidParameterInput", said, service="AmazonCloudWatch")


def check_body(body: Any) -> None:
    """Check a dashboard's body.

    Raises:
        ApiError: It is no JSON object, or a widget lacks what AWS asks of its type.

    """
    try:
        document = json.loads(body)
    except (TypeError, ValueError) as error:
        raise _refused("", "The field DashboardBody must be a valid JSON object") from error
    if not isinstance(document, dict) or not isinstance(document.get("widgets", []), list):
        raise _refused("", "The field DashboardBody must be an object with a list of widgets")
    for index, widget in enumerate(document.get("widgets", [])):
        _check_widget(f"/widgets/{index}", widget)


def _check_widget(path: str, widget: Any) -> None:
    if not isinstance(widget, dict) or widget.get("type") not in _WIDGETS:
        raise _refused(f"{path}/type", f"Should be one of {', '.join(_WIDGETS)}")
    properties: Record = widget.get("properties") or {}
    for name in _NEEDED.get(widget["type"], ()):
        if not properties.get(name):
            raise _refused(f"{path}/properties", f"Should have required property '{name}'")
    if widget["type"] == "metric" and not (
        properties.get("metrics") or properties.get("annotations")
    ):
        raise _refused(f"{path}/properties", "Should have required property 'metrics'")
    for axis, size in (("x", "width"), ("y", "height")):
        for name, least in ((axis, 0), (size, 1)):
            value = widget.get(name, least)
            if not isinstance(value, int) or value < least:
                raise _refused(f"{path}/{name}", f"Should be a number from {least}")
    if widget.get("x", 0) + widget.get("width", 6) > _COLUMNS:
        raise _refused(f"{path}/width", f"Should end within {_COLUMNS} columns")


def install(emulator: Emulator) -> None:
    """Check the body in PutDashboard too."""
    cloudwatch = emulator.cloudwatch
    known = cloudwatch._put_dashboard

    def answer(params: Any, given: Record, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            try:
                check_body(given.get("DashboardBody"))
            except ApiError as error:
                said = (error.code, error.message, error.status)
                return cloudwatch._error(*said, use_json=is_json, use_cbor=is_cbor)
        return known(params, given, is_cbor, is_json)

    cloudwatch._put_dashboard = answer
