"""The filter `file_states`: what a host has, to be compared with what it should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def file_states(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return states by path of what the module `find` has found with `get_checksum`.

    A file's state is its checksum, mode, owner and group, as in `9f86d0… 0644 root root`; a
    folder's begins with `folder`. Links and what else there is have none.
    """
    states: dict[str, str] = {}
    for one in found:
        kind = "folder" if one["isdir"] else one.get("checksum")
        if kind:
            states[one["path"]] = f"{kind} {one['mode']} {one['pw_name']} {one['gr_name']}"
    return states


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"file_states": file_states}
