"""/docs: an API's OpenAPI description as one page of plain HTML. It loads nothing: realms may stand on networks of
their own, and a page of a service that people sign for runs nobody else's scripts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

PATH = "/docs"
_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}h3{margin-bottom:0}ul{margin-top:0}small{color:#555}"
)
JSONObject = Mapping[str, Any]


def serve(app: FastAPI) -> None:
    """Add the page to `app`, whose own (which load scripts from elsewhere) must be switched off."""

    @app.get(PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers=_HEADERS)


def page(api: JSONObject) -> str:
    """The whole description as HTML: every operation by tag, then every shape that they name."""
    info = api["info"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        f"<style>{_STYLE}</style><link rel=icon href=data:,>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        f"<p>{escape(info.get('description', ''))}</p><p>For programs: <a href=openapi.json>openapi.json</a>.</p>",
    ]
    for tag, operations in _by_tag(api).items():
        parts += [f"<h2>{escape(tag)}</h2>", *operations]
    shapes = api.get("components", {}).get("schemas", {})
    parts += ["<h2>Shapes</h2>", *(_shape(name, shape) for name, shape in sorted(shapes.items()))]
    return "\n".join(parts)


def _by_tag(api: JSONObject) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            found[operation.get("tags", ["other"])[0]].append(_operation(method, path, operation))
    return dict(found)


def _operation(method: str, path: str, operation: JSONObject) -> str:
    heading = f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
    told = escape(operation.get("description") or operation.get("summary", ""))
    rows = [
        _field(given["name"], given["schema"], f"{given['in']}{', required' if given.get('required') else ''}")
        for given in operation.get("parameters", ())
    ]
    rows += [f"<li>body: {_type(schema)}" for schema in _contents(operation.get("requestBody", {}))]
    for status, answer in operation["responses"].items():
        shown = " or ".join(_type(schema) for schema in _contents(answer))
        rows.append(f"<li>{escape(status)}: {shown or escape(answer.get('description', ''))}")
    return f"{heading}<p>{told}</p><ul>{''.join(rows)}</ul>"


def _contents(part: JSONObject) -> Iterable[JSONObject]:
    return [content.get("schema", {}) for content in part.get("content", {}).values()]


def _shape(name: str, shape: JSONObject) -> str:
    needed = shape.get("required", ())
    rows = [
        _field(field, schema, "required" if field in needed else "")
        for field, schema in shape.get("properties", {}).items()
    ]
    head = f'<h3 id="{escape(name)}"><code>{escape(name)}</code></h3>'
    return f"{head}<p>{escape(shape.get('description', ''))}</p><ul>{''.join(rows)}</ul>"


def _field(name: str, schema: JSONObject, more: str) -> str:
    told = f". {escape(schema['description'])}" if schema.get("description") else ""
    return f"<li><code>{escape(name)}</code> {_type(schema)} <small>{escape(more)}</small>{told}"


def _type(schema: JSONObject) -> str:
    """`text`, `Need[]`, `A or B`: in a word or two, with a link to a shape that has a name."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}[]"
    if "enum" in schema or "const" in schema:
        return escape(" | ".join(map(str, schema.get("enum", [schema.get("const")]))))
    return escape(str(schema.get("type", "anything")))
