"""The API, put together."""

from __future__ import annotations

from common.http_api import harden
from fastapi import FastAPI

from approver.api import cases, people, proposals
from approver.api.context import Context
from approver.api.models import MAX_TEXT, ErrorAnswer

MAX_BODY_BYTES = 2 * MAX_TEXT


def build(context: Context) -> FastAPI:
    """The routes under /v1, with OpenAPI at /docs. Bodies are bounded, errors are `ErrorAnswer`s."""
    app = FastAPI(
        title="Trueup: approver",
        description="Who confirmed, approved and released what. Decisions are signed by the person's own key.",
        version="1",
        responses={"4XX": {"model": ErrorAnswer, "description": "Refused, with a stable reason code."}},
    )
    for part in (people, cases, proposals):
        app.include_router(part.router(context))
    harden(app, MAX_BODY_BYTES)
    return app
