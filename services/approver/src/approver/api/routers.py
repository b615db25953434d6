"""The API, put together: everything under /v1, with OpenAPI at /docs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from approver.api import cases, erasures, people, proposals
from approver.api.context import Context
from approver.api.models import MAX_TEXT, ErrorAnswer

MAX_BODY_BYTES = 2 * MAX_TEXT
_REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "Refused, with a stable reason code."}
}


def routers(context: Context) -> list[APIRouter]:
    """What the application serves beside /healthz, /readyz and /status."""
    whole = APIRouter(responses=_REFUSED)
    for part in (people, cases, proposals, erasures):
        whole.include_router(part.router(context))
    whole.include_router(proposals.active(context))
    return [whole]
