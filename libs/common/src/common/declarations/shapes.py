"""Walking the JSON schema of a kind of declaration: what may stand below a part of it, in the language's order."""

from functools import cache
from typing import Any

from pydantic import BaseModel

OWN = "*"
"""In a path of names: any name of one's own."""
_DROPPED = ("title", "default", "description")  # Python's own words; what a field means stands on the page of fields


def child(node: Any, part: str) -> Any:
    """The schema of the part of this name; empty where any is allowed or none is."""
    return node.get("properties", {}).get(part) or own(node)


def own(node: Any) -> dict[str, Any]:
    """The schema of what stands below a name of one's own; empty where any is allowed or none is."""
    extra = node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None)
    return extra if isinstance(extra, dict) else {}


@cache
def of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model as it is written, whole: nothing refers elsewhere, nothing may be null, and a title
    is the word of the language for what stands there (`condition`, `period`)."""
    schema = model.model_json_schema(by_alias=True)
    return dict(_plain(schema, schema))


def _plain(node: Any, schema: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item, schema) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    others = [item for item in node.get("anyOf", ()) if item.get("type") != "null"]
    if len(others) == 1:
        return _plain(others[0], schema)
    plain = {key: _plain(value, schema) for key, value in node.items() if key not in ("$defs", *_DROPPED)}
    if "title" in node and "examples" in node:
        plain["title"] = node["title"]
    for holder in ("properties", "patternProperties"):
        if holder in node:
            plain[holder] = {name: _plain(value, schema) for name, value in node[holder].items()}
    if others:
        plain["anyOf"] = _plain(others, schema)
    return plain


def names(node: Any) -> list[str]:
    """The fields that may stand in a node, in the language's order."""
    return list(node.get("properties", {}))


def at(node: Any, path: tuple[Any, ...]) -> Any:
    """The plain schema at a path of names and indices; empty where nothing may stand."""
    for part in path:
        node = node.get("items", {}) if isinstance(part, int) else child(node, str(part))
    return node


def example(node: Any) -> str:
    """How it could be written, on one line: for hints. A part of which nothing is known reads `...`."""
    if node.get("examples"):
        return _flow(node["examples"][0])
    if "const" in node or "enum" in node:
        return str(node.get("const", [*node.get("enum", ()), ""][0]))
    if node.get("properties"):
        needed = node.get("required") or list(node["properties"])[:1]
        return "{" + ", ".join(f"{name}: {example(node['properties'][name])}" for name in needed) + "}"
    if node.get("type") == "array":
        return f"[{example(node.get('items', {}))}]"
    if own(node):
        named = node.get("propertyNames", {}).get("examples", ["paid_on"])[0]
        return f"{{{named}: {example(own(node))}}}"
    return {"integer": "1", "boolean": "true"}.get(str(node.get("type")), "...")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return f'"{value}"' if str(value).startswith("{") else str(value)


def where_known(node: Any, word: str, path: str = "") -> list[str]:
    """The paths at which a field of this name may stand: `deadlines[].by`."""
    found = []
    for name, value in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found += [here] if name == word else []
        found += where_known(value, word, here)
    for suffix, inner in (("[]", node.get("items", {})), (f".{OWN}", own(node))):
        found += where_known(inner, word, f"{path}{suffix}") if inner.get("properties") or inner.get("items") else []
    return found
