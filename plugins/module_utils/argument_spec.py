"""Options of an action plugin, from its documentation."""

from __future__ import annotations

from typing import Any

import yaml

_SPECIFIED = ("type", "required", "default", "choices", "elements")


def argument_spec(documentation: str) -> dict[str, dict[str, Any]]:
    """Derive a module's argument spec from its DOCUMENTATION, so that both cannot differ."""
    options: dict[str, dict[str, Any]] = yaml.safe_load(documentation)["options"]
    return {
        name: {key: option[key] for key in _SPECIFIED if key in option}
        for name, option in options.items()
    }
