"""Values as the page shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from plugins.module_utils.plain_text import visible
from plugins.module_utils.report.past import moment as said_moment
from plugins.module_utils.report.plot import A_DAY_OR_SO

if TYPE_CHECKING:
    from plugins.module_utils.report.figures import Figures

WITHHELD = "(withheld: it looks like a private key)"


def harmless(value: Any) -> Any:
    """Return a text as it may be shown: without characters that act, and never a private key."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return WITHHELD if "PRIVATE KEY" in value else visible(value)


def clock(value: int, shown: Figures) -> Markup:
    """Return seconds since 1970 as an element for time, with the day where there are several."""
    return utc(value, "%H:%M" if shown.end - shown.begin <= A_DAY_OR_SO else "%-d %b %H:%M")


def utc(value: Any, form: str = "%-d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y %H:%M") -> Markup:
    """Return a moment, a text or seconds since 1970, as an element for time."""
    if isinstance(value, str):
        moment = said_moment(value)
    else:
        moment = datetime.fromtimestamp(value, UTC) if isinstance(value, int) else value
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime(form)
    )


def span(seconds: float) -> str:
    """Return a span of time in words."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
