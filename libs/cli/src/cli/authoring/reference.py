"""`trueup explain`: one kind or one field, from the same schema that editors read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.declarations import shapes
from common.declarations.problems import did_you_mean
from common.errors import Refused
from rich.text import Text

from cli.preview.wording import FAINT, GOOD, STRONG, line

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A kind, or a field of it: its path as the reference page writes it, and the schema of what stands there."""

    kind: str
    path: str
    needed: bool
    node: Node


def part(kinds: Mapping[str, Node], wanted: str) -> Part:
    """The part that `KIND.field.field` names. Lists and names of one's own need not be written: `deadlines.by`.

    Raises Refused with what is known there instead.
    """
    first, *others = [word for word in re.split(r"[.\[\]]+", wanted) if word and word != shapes.OWN]
    kind = next((kind for kind in kinds if kind.lower() == first.lower()), "")
    if not kind:
        raise Refused("unknown_kind", f"{first!r} is not a kind.", did_you_mean(first, kinds))
    found = Part(kind, "", True, kinds[kind])
    for word in others if others[:1] != ["spec"] else others[1:]:
        found = _below(found, word)
    return found


def _below(above: Part, word: str) -> Part:
    node, path = inside(above.node, above.path)
    known = node.get("properties", {})
    if word not in known:
        told = f"{above.kind}{f'.{above.path}' if above.path else ''} has no field {word!r}."
        raise Refused("unknown_field", told, did_you_mean(word, known) or "It has none at all.")
    return Part(above.kind, f"{path}.{word}" if path else word, word in node.get("required", ()), known[word])


def inside(node: Node, path: str) -> tuple[Node, str]:
    """The nearest node below that has fields: through lists (`[]`) and names of one's own (`.*`)."""
    while "properties" not in node:
        options = node.get("anyOf", [node])
        node = next((item for item in options if item.get("type") in ("object", "array")), {})
        if "properties" in node:
            break
        if isinstance(node.get("items"), dict):
            node, path = node["items"], f"{path}[]"
        elif extra := shapes.own(node):
            node, path = extra, f"{path}.{shapes.OWN}"
        else:
            return {}, path
    return node, path


def word(node: Node) -> str:
    """What stands there, in a few words: `text`, `condition`, `list of names`, `low, medium or high`."""
    if "const" in node or "enum" in node:
        options = [str(item) for item in node.get("enum", [node.get("const")])]
        return " or ".join([", ".join(options[:-1]), options[-1]] if len(options) > 1 else options)
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(word(item) for item in node["anyOf"]))
    plain = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "fields"}
    told = node.get("title") or plain.get(str(node.get("type")), "any")
    if node.get("type") == "array" and "title" not in node:
        return f"list of: {word(node.get('items', {}))}"
    if told == "fields" and "properties" not in node:
        return f"names of your own, each with: {word(shapes.own(node))}"
    return str(told)


def kinds_page(kinds: Mapping[str, Node]) -> list[Text]:
    widest = max(map(len, kinds))
    lines = [line((f"{kind:<{widest}}  ", STRONG), (_first(node["description"]), "")) for kind, node in kinds.items()]
    return [*lines, line(), line(("Then: trueup explain KIND, or KIND.field", FAINT))]


def page(found: Part) -> list[Text]:
    """What a person reads of one part: where it stands, what it is, what it means, what may stand below."""
    where = f"{found.kind}.{found.path}" if found.path else found.kind
    needed = "needed" if found.needed else "not needed"
    lines = [line((where, STRONG), (f"   {word(found.node)}, {needed}" if found.path else "", FAINT)), line()]
    lines += [line((f"  {text}", "")) for text in wrapped(found.node.get("description", ""))]
    if found.path and (example := shapes.example(found.node)) != "...":
        lines += [line(), line((f"  {found.path.rpartition('.')[2]}: {example}", GOOD))]
    rows = list(fields(found))
    widest = max((len(name) for name, *_ in rows), default=0)
    lines += [line()] if rows else []
    for name, required, kind, text in rows:
        mark = "*" if required else " "
        lines.append(line((f"  {mark} {name:<{widest}}  ", STRONG), (kind, FAINT)))
        lines += [line((f"    {' ' * widest}  {item}", "")) for item in wrapped(text, 100 - widest)]
    return [*lines, line(), line(("  * needed", FAINT))] if any(required for _, required, *_ in rows) else lines


def fields(found: Part) -> Iterator[tuple[str, bool, str, str]]:
    """Each field below: name, whether it is needed, what it is, and the first sentence of what it means."""
    node, _ = inside(found.node, found.path)
    for name, value in node.get("properties", {}).items():
        yield name, name in node.get("required", ()), word(value), _first(value.get("description", ""))


def _first(text: str) -> str:
    return re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]


def wrapped(text: str, width: int = 100) -> list[str]:
    """Lines of at most `width`, unless one word is longer."""
    lines: list[str] = []
    for item in text.split():
        if lines and len(lines[-1]) + 1 + len(item) <= width:
            lines[-1] += f" {item}"
        else:
            lines.append(item)
    return lines
