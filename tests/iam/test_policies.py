"""The policies in docs/iam are those that the templates ask for, and fit AWS's limits."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from docs.iam import needs, policy, scopes

FOLDER = policy.ROOT / "docs/iam"
DOCUMENTS = policy.documents()


def statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DOCUMENTS[name])["Statement"]
    return found


def test_what_is_kept_is_what_is_generated() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert kept == DOCUMENTS, "Write them anew: make docs"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_fits_a_managed_policy(name: str) -> None:
    """With the longest name of a deployment and of a region."""
    assert policy.length(DOCUMENTS[name]) <= policy.LIMIT


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_what_cannot_be_limited_is_allowed_on_everything(name: str) -> None:
    """Permissions that change something are exact, and name the resources they are about."""
    for statement in statements(name):
        exact = [action for action in statement["Action"] if "*" not in action]
        looking = [action for action in statement["Action"] if ":Describe" in action]
        if statement["Resource"] == "*":
            kinds = {action: policy.kinds_of(action) for action in exact if action not in looking}
            assert not any(kinds.values()), kinds
        else:
            assert exact == statement["Action"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_resource_is_the_deployments_or_cannot_be_told_by_name(name: str) -> None:
    """One that has a name has the deployment's in it; one with an id is told by its tag if made."""
    for statement in statements(name):
        unnamed = [arn for arn in statement["Resource"] if "<DEPLOYMENT>" not in arn]
        if unnamed and statement["Resource"] != "*" and "Condition" not in statement:
            scope = next(one for one in scopes.SCOPES if one.sid == statement["Sid"])
            assert scope.open, f"{scope.sid} opens {unnamed} without saying why"


def test_every_declared_limit_can_be_one() -> None:
    """Each scope's kinds of resource are what its permissions are about, by AWS's reference."""
    taken: dict[str, set[str]] = {}
    for name in needs.DOCUMENTS:
        for statement in policy.statements(name):
            kinds = {kind for one in statement["Action"] for kind in policy.kinds_of(one) or ()}
            taken.setdefault(statement["Sid"], set()).update(kinds)
    for scope in scopes.SCOPES:
        assert set(scope.resources) <= taken[scope.sid], scope.sid


def test_a_property_adds_what_it_needs() -> None:
    template = (policy.ROOT / "cloudformation/stack.yaml").read_text(encoding="utf-8")
    wanted = "KeyType: ed25519"
    assert wanted in template
    changed = template.replace(wanted, "PublicKeyMaterial: ssh-ed25519 AAAA")
    before, after = (
        policy.needed("single", policy.properties_by_type([text])) for text in (template, changed)
    )
    assert after - before == {"ec2:ImportKeyPair"}


def test_a_resource_whose_permissions_nobody_limited_is_an_error() -> None:
    with pytest.raises(policy.UndeclaredError, match=r"No Scope .* takes sqs:CreateQueue"):
        policy.scopes_of("sqs:CreateQueue")


def test_no_declaration_is_left_over() -> None:
    """Each exception names a permission that its resource type still asks for."""
    types = {
        name: properties
        for document in needs.DOCUMENTS.values()
        for name, properties in policy.properties_by_type(
            [(policy.ROOT / "cloudformation" / one).read_text("utf-8") for one in document]
        ).items()
    }
    patterns = [
        (name, pattern)
        for name, properties in needs.ONLY_WITH.items()
        for wanted in properties.values()
        for pattern in wanted
    ]
    for name, pattern in [*patterns, *needs.NEVER]:
        listed = policy.handlers_of(name)
        assert any(fnmatchcase(action, pattern) for action in listed), (name, pattern)
        assert name in types, name


def test_every_placeholder_is_filled() -> None:
    values = {"partition": "aws", "region": "r", "account": "1", "deployment": "d"}
    for text in DOCUMENTS.values():
        assert not re.findall("<.*?>", policy.fill(text, **values))
