"""What a CloudFormation template says about its resources, in the words of its Metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short intrinsic functions, which are kept as plain values."""


def _intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_scalar(node)} if isinstance(node, yaml.ScalarNode) else {}


_Loader.add_multi_constructor("!", _intrinsic)


def load(text: str) -> dict[str, Any]:
    """Read a template; `!Ref X` becomes {"Ref": "X"}, `!GetAtt A.B` becomes {"GetAtt": "A.B"}."""
    template = _Loader(text).get_single_data()
    return template if isinstance(template, dict) else {}


def descriptions(template: str | Mapping[str, Any]) -> dict[str, str]:
    """Map each logical id to its plain-words description, or to itself when it has none."""
    parsed = load(template) if isinstance(template, str) else template
    resources: Mapping[str, Any] = parsed.get("Resources", {})
    return {
        name: str(resource.get("Metadata", {}).get("Description", name))
        for name, resource in resources.items()
    }
