"""/docs says what there is, and loads nothing from anywhere."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from approver import main as approver
from approver.api.context import Context
from approver.api.routers import routers
from auditor import main as auditor
from common.runtime import Parts, Runtime, Service, application
from fastapi import APIRouter, FastAPI

RUNTIME = cast(Runtime, SimpleNamespace())


class Links(HTMLParser):
    """Every address that the page names, by (tag, attribute)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "action", "data"):
                self.found.append((tag, name, value or ""))
            if name == "id":
                self.ids.add(value or "")


def served(service: Service, routes: list[APIRouter]) -> tuple[FastAPI, httpx.Response]:
    app = application(service, RUNTIME, Parts(routers=routes))
    return app, get(app, "/docs")


def get(app: FastAPI, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return await client.get(path)

    return asyncio.run(ask())


@cache
def whole() -> tuple[FastAPI, httpx.Response]:
    context = cast(Context, SimpleNamespace(bearer=lambda: None))
    return served(approver.SERVICE, routers(context))


@pytest.mark.law
def test_every_operation_and_every_shape_is_on_the_page() -> None:
    app, answer = whole()
    api = app.openapi()
    assert len(api["paths"]) > 10
    for path, methods in api["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in answer.text
    for name in api["components"]["schemas"]:
        assert f'<h3 id="{name}">' in answer.text
    assert "One case, whole, with what you may decide about it now." in answer.text


@pytest.mark.parametrize("service", [approver.SERVICE, auditor.SERVICE])
def test_the_page_loads_nothing_and_the_browser_would_not_let_it(service: Service) -> None:
    _, answer = whole() if service is approver.SERVICE else served(service, [])
    links = Links()
    links.feed(answer.text)
    assert {tag for tag, *_ in links.found} <= {"a", "link"}
    assert [address for tag, _, address in links.found if tag == "link"] == ["data:,"]
    assert "http" not in "".join(address for *_, address in links.found)
    assert "<script" not in answer.text and "@import" not in answer.text and "url(" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert {address[1:] for *_, address in links.found if address.startswith("#")} <= links.ids


def test_the_pages_that_load_scripts_are_not_there() -> None:
    app, _ = whole()
    assert get(app, "/redoc").status_code == 404
    assert get(app, "/openapi.json").json() == app.openapi()


def test_what_a_description_says_is_only_text() -> None:
    routes = APIRouter()

    @routes.get("/x", description="<script>alert(1)</script>")
    async def x(given: str = "<b>") -> str:
        return given

    _, answer = served(auditor.SERVICE, [routes])
    assert not re.search(r"<script|<b>", answer.text)
    assert "&lt;script&gt;" in answer.text
