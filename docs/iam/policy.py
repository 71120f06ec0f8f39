"""Writes the deployer's policies from templates, cfn-lint's data, `needs.py` and `scopes.py`."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from docs.iam.needs import CALLS, DOCUMENTS, NEVER, ONLY_WITH
from docs.iam.scopes import GIVEN, KINDS, SCOPES, TAGGING, Scope
from plugins.module_utils import stack_template

ROOT = Path(__file__).parents[2]
# The list of a resource type is for importing resources, which nobody does here.
_HANDLERS = ("create", "read", "update", "delete")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters of a
# managed policy, white space not counted.
LIMIT = 6144

Statement = dict[str, Any]


class UndeclaredError(Exception):
    """A permission belongs to no statement; the message says where to put it."""


def documents() -> dict[str, str]:
    """Return the documents as they belong into this folder, by their names.

    What is too long for one managed policy is several, with a number behind the name.

    Raises:
        UndeclaredError: A template has resources whose permissions no Scope takes.

    """
    found: dict[str, str] = {}
    for name in DOCUMENTS:
        parts: list[list[Statement]] = [[]]
        for statement in statements(name):
            if length(_text([*parts[-1], statement])) > LIMIT:
                parts.append([])
            parts[-1].append(statement)
        for number, part in enumerate(parts, 1):
            found[f"{name}{f'-{number}' if len(parts) > 1 else ''}.json"] = _text(part)
    return found


def statements(name: str) -> list[Statement]:
    """Return the statements for a name in DOCUMENTS, in the order of the scopes."""
    texts = [
        (ROOT / "cloudformation" / template).read_text(encoding="utf-8")
        for template in DOCUMENTS[name]
    ]
    types = properties_by_type(texts)
    taken: dict[str, list[str]] = defaultdict(list)
    for action in sorted(needed(name, types)):
        for scope in scopes_of(action):
            if name in (scope.documents or DOCUMENTS):
                taken[scope.sid].append(action)
    made = {kind for one in types for kind in KINDS.get(one, ())}
    return [_statement(scope, taken[scope.sid], made) for scope in SCOPES if scope.sid in taken]


def properties_by_type(templates: Iterable[str]) -> dict[str, set[str]]:
    """Return the resource types of templates, and the properties that resources of each set."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in templates:
        for resource in stack_template.load(text)["Resources"].values():
            found[resource["Type"]] |= set(resource.get("Properties", {}))
    return found


def needed(name: str, types: Mapping[str, set[str]]) -> set[str]:
    """Return the permissions that somebody who deploys needs, without those that others cover.

    Args:
        name: What is deployed, a name in DOCUMENTS.
        types: The resource types of its templates, with the properties that are set.

    """
    found = {call.action for call in CALLS if name in call.documents}
    found |= {
        action
        for kind, properties in types.items()
        for action in handlers_of(kind)
        if _is_used(kind, action, properties) and kinds_of(action) is not None
    }
    patterns = [action for action in found if action.endswith("*")]
    return {
        action
        for action in found
        if not any(action != pattern and fnmatchcase(action, pattern) for pattern in patterns)
    }


def scopes_of(action: str) -> list[Scope]:
    """Return the statements that a permission belongs to.

    Raises:
        UndeclaredError: There is none.

    """
    found: list[Scope] = []
    for scope in SCOPES:
        if any(fnmatchcase(action, pattern) for pattern in scope.actions):
            found.append(scope)
            if not scope.also:
                break
    if not found:
        raise UndeclaredError(f"No Scope of docs/iam/scopes.py takes {action}: add it to one.")
    return found


def kinds_of(action: str) -> frozenset[str] | None:
    """Return the kinds of resource that a permission can be limited to, none for a pattern.

    By the Service Authorization Reference, as cfn-lint has it; None for what that does not know.
    """
    service, _, name = action.lower().partition(":")
    known: dict[str, Any] = _reference().get(service, {}).get("Actions", {})
    if name.endswith("*"):
        return frozenset() if any(fnmatchcase(one, name) for one in known) else None
    return frozenset(known[name].get("Resources", ())) if name in known else None


def length(document: str) -> int:
    """Return what AWS counts of a document with the longest names that can be filled in."""
    filled = fill(
        document,
        partition="aws-us-gov",
        region="ap-southeast-2",
        account="1" * 12,
        deployment="d" * 32,
    )
    return len("".join(filled.split()))


def fill(document: str, **values: str) -> str:
    """Return a document with values in the place of `<PARTITION>`, `<REGION>` and the others."""
    for name, value in values.items():
        document = document.replace(f"<{name.upper()}>", value)
    return document


def _text(part: list[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": part}, indent=2) + "\n"


def _statement(scope: Scope, actions: list[str], made: set[str]) -> Statement:
    kinds = {
        kind
        for action in actions
        for kind in kinds_of(action) or ()
        if kind in made or (kind in GIVEN and action not in TAGGING)
    }
    named = [arn for kind, arns in scope.resources.items() if kind in kinds for arn in arns]
    if scope.resources and not named:
        raise UndeclaredError(
            f"The Scope {scope.sid} of docs/iam/scopes.py names no resource for {actions}:"
            f" give it one of {sorted(kinds)}."
        )
    statement = {
        "Sid": scope.sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": sorted(named) or "*",
    }
    return statement | ({"Condition": scope.condition} if scope.condition else {})


def _is_used(name: str, action: str, properties: set[str]) -> bool:
    if (name, action) in NEVER:
        return False
    return not any(
        fnmatchcase(action, pattern)
        for unset, patterns in ONLY_WITH.get(name, {}).items()
        if unset not in properties
        for pattern in patterns
    ) or any(
        fnmatchcase(action, pattern)
        for used, patterns in ONLY_WITH.get(name, {}).items()
        if used in properties
        for pattern in patterns
    )


@cache
def handlers_of(name: str) -> frozenset[str]:
    """Return the permissions that a resource type's schema lists, but for finding resources."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema
    handlers: dict[str, dict[str, list[str]]] = schema.get("handlers", {})
    return frozenset(
        action for one in _HANDLERS for action in handlers.get(one, {}).get("permissions", ())
    )


@cache
def _reference() -> dict[str, Any]:
    found: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
    return found
