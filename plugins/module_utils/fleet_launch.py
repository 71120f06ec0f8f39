"""How long a host of a fleet took from its launch until it was ready, part by part."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

# What a host says of its own configuration, by cloudformation/fleet.yaml and its bundle.
SAID = re.compile(r"configure (\d\d):(\d\d):(\d\d\.\d{3}) (.*)")
FAILED = "FAILED: "
# The part that is over when a step begins whose words begin so.
_ENDS = {
    "boot": ("asking for current.json",),
    "waiting": ("fetching configure/",),
    "fetching": ("installing python", "applying the role"),
    "python": ("applying the role",),
    "installing": ("Send new connections to the release",),
    "starting": ("done, ",),
}


def said(console: str) -> list[str]:
    """Return what a host has said of its own configuration, step by step."""
    return [match[4].strip() for match in SAID.finditer(console)]


def parts(launched: datetime, console: str) -> dict[str, float]:
    """Return the seconds of each part, in their order, and their `total`.

    `boot` lasts until the host's user data runs, `waiting` until a release is named, `fetching` has
    the bundle, the release and the certificate, `python` what is installed from the distribution,
    `installing` the release's packages and the units, `starting` the server, until it is ready.
    Nothing for a host that has failed before, or has not told all.
    """
    steps = list(_steps(launched, console))
    if not steps or any(words.startswith(FAILED) for _, words in steps):
        return {}
    found: dict[str, float] = {}
    begin, left = launched, dict(_ENDS)
    for at, words in steps:
        for part, ends in left.items():
            if words.startswith(ends):
                found[part] = round((at - begin).total_seconds(), 1)
                begin = at
                del left[part]
                break
    if "starting" not in found:
        return {}
    return {**found, "total": round((begin - launched).total_seconds(), 1)}


def _steps(launched: datetime, console: str) -> Iterator[tuple[datetime, str]]:
    """Yield each step with its time; the console has no dates."""
    at = launched.replace(microsecond=0)
    midnight = at.replace(hour=0, minute=0, second=0)
    for hours, minutes, seconds, words in SAID.findall(console):
        clock = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        moment = midnight + clock
        if moment < at - timedelta(seconds=1):
            midnight += timedelta(days=1)
            moment = midnight + clock
        at = moment
        yield moment, words.strip()
