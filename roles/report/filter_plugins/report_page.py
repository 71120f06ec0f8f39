"""The filter `report_page`: a deployment as one HTML page, from what its hosts answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# Ansible loads this file by its path; the parts of the page are found from the root.
sys.path.append(str(Path(__file__).parents[3]))

from plugins.module_utils.report.page import Host, Page, load

TEMPLATE = Path(__file__).parents[1] / "templates/report.html.j2"


def report_page(
    status: Mapping[str, Any],
    hostvars: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Iterable[str]],
    settings: Mapping[str, Any],
) -> str:
    """Return the page. `status` is the report of roles/status."""
    kept = Path(settings["directory"])
    page = Page(
        status=status,
        hosts=[_host(name, hostvars[name], kept) for name in groups.get("grpc_servers", [])],
        stopped=list(groups.get("stopped", [])),
        clients=[_kind(hostvars[name]) for name in groups.get("grpc_clients", [])],
        stack=settings["stack"],
        verification=load(_text(kept / "verification.json")),
        plan=load(_text(kept / "plan.json")),
        settings=settings,
    )
    return page.html(TEMPLATE)


def _host(name: str, known: Mapping[str, Any], kept: Path) -> Host:
    asked, status = known.get("_report_host", {}), known.get("_status_host", {})
    answered = asked.get("rc") == 0
    return Host(
        name=name,
        kind=_kind(known),
        zone=str(known.get("availability_zone", "")),
        address=str(known.get("ansible_host", "")),
        history=load(asked["stdout"]) if answered else {},
        said="" if answered else _refusal(asked),
        pems=load(str(status.get("stdout", ""))).get("certificates", {}),
        proof=load(_text(kept / f"proof-{name}.json")),
    )


def _refusal(asked: Mapping[str, Any]) -> str:
    if not asked:
        return "it was not asked: --limit left it out"
    if asked.get("unreachable"):
        return "it cannot be reached"
    said = str(asked.get("stderr") or asked.get("msg") or "").strip().splitlines()
    if asked.get("rc") == 2:
        return "its program is too old to count calls: deploy first"
    return said[-1] if said else "it said nothing"


def _kind(known: Mapping[str, Any]) -> str:
    return str(known.get("ec2_instance_type", ""))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"report_page": report_page}
