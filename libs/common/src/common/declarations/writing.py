"""A declaration as text again, from the JSON that an event holds: to be read, and compared line by line."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from common.declarations import shapes
from common.declarations.models import API_VERSION, KINDS

WIDTH = 92


def written(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """The declaration as YAML that `load` reads back to the same digest.

    Comments and layout are not those of its author, and its parts stand in the order of the language.
    """
    schema = _schema(kind)
    ordered = _ordered(spec, schema, schema)
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = WIDTH
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.representer.ignore_aliases = lambda _value: True
    out = io.StringIO()
    writer.dump({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": ordered}, out)
    return out.getvalue()


@cache
def _schema(kind: str) -> dict[str, Any]:
    return KINDS[kind].model_json_schema(by_alias=True) if kind in KINDS else {}


def _ordered(value: Any, node: Any, schema: dict[str, Any]) -> Any:
    node = shapes.resolved(node, schema)
    if isinstance(value, list | tuple):
        return [_ordered(item, node.get("items", {}), schema) for item in value]
    if not isinstance(value, Mapping):
        return value
    rank = {name: number for number, name in enumerate(node.get("properties", {}))}
    names = sorted(value, key=lambda name: rank.get(name, len(rank)))
    return {name: _ordered(value[name], shapes.child(node, name), schema) for name in names}
