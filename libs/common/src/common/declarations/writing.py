"""A declaration as text again, from the JSON that an event holds: to be read, and compared line by line."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from common.declarations import shapes
from common.declarations.models import API_VERSION, KINDS

WIDTH = 92


def written(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """The declaration as YAML that `load` reads back to the same digest.

    Comments and layout are not those of its author, and its parts stand in the order of the language.
    """
    ordered = _ordered(spec, shapes.of(KINDS[kind]) if kind in KINDS else {})
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = WIDTH
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.representer.ignore_aliases = lambda _value: True
    out = io.StringIO()
    writer.dump({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": ordered}, out)
    return out.getvalue()


def _ordered(value: Any, node: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_ordered(item, node.get("items", {})) for item in value]
    if not isinstance(value, Mapping):
        return value
    rank = {name: number for number, name in enumerate(node.get("properties", {}))}
    names = sorted(value, key=lambda name: rank.get(name, len(rank)))
    return {name: _ordered(value[name], shapes.child(node, name)) for name in names}
