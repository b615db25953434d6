"""Walking the JSON schema of a kind of declaration: what may stand below a part of it, in the language's order."""

from typing import Any


def child(node: Any, part: str) -> Any:
    """The schema of the part of this name; empty where any is allowed or none is."""
    extra = node.get("additionalProperties")
    return node.get("properties", {}).get(part) or (extra if isinstance(extra, dict) else {})


def resolved(node: Any, schema: Any) -> Any:
    """The node itself, or what it refers to in `schema`; of alternatives, the first."""
    while isinstance(node, dict) and ("$ref" in node or "anyOf" in node):
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node["anyOf"][0]
    return node if isinstance(node, dict) else {}
