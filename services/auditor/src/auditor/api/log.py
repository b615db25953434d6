"""The transparency log over HTTP: as tlog-tiles lays it out, as JSON, as metrics and as a page.

Checkpoint, tiles and standing hold hashes, sizes and names of witnesses, and are for everybody. Events and proofs of
single events are for people who are signed in.
"""

from __future__ import annotations

from typing import Annotated, Any

from common.clock import parse_instant, wall_now
from common.errors import Refused
from common.http_auth import Bearer
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from transparency.errors import Malformed
from transparency.tiles import Bundle, Tile, parse_path

from auditor.api.log_metrics import exposition
from auditor.api.log_page import page
from auditor.api.models import ErrorAnswer
from auditor.ports import LogReading, LogStanding

MOST_PROOFS = 500
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
FLEETING = {"cache-control": "no-cache"}
LASTING = {"cache-control": "public, max-age=31536000, immutable"}
LASTING_PRIVATE = {"cache-control": "private, max-age=31536000, immutable"}
_NO_SCRIPTS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", **FLEETING}
_REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "Refused, with a stable reason code."}
}


class ProofLine(BaseModel):
    """A C2SP tlog-proof, as text, of the event at `position`; `file` is its name in a bundle for an examiner."""

    position: int
    file: str
    proof: str


class Proofs(BaseModel):
    """Proofs under one checkpoint, that of `size`, by ascending position."""

    origin: str
    size: int
    proofs: list[ProofLine]


def log_router(reading: LogReading, bearer: Bearer) -> APIRouter:
    """`/log`, `/log/checkpoint`, `/log/tile/…`, `/v1/log`, `/v1/proofs` and `/metrics`."""
    whole = APIRouter(responses=_REFUSED)
    for part in (_tiles(reading, bearer), _standing(reading), _proofs(reading, bearer)):
        whole.include_router(part)
    return whole


def _tiles(reading: LogReading, bearer: Bearer) -> APIRouter:
    routes = APIRouter(prefix="/log", tags=["log"])

    @routes.get("/checkpoint", response_class=Response)
    async def checkpoint() -> Response:
        """The newest checkpoint that enough witnesses have cosigned (C2SP tlog-checkpoint)."""
        note = await reading.checkpoint()
        if note is None:
            raise Refused("not_found", "no checkpoint is published yet", "Ask again in a few seconds, or see /log.")
        return Response(note, media_type=TEXT, headers=FLEETING)

    @routes.get("/tile/entries/{place:path}", response_class=Response, dependencies=[Depends(bearer)])
    async def entries(place: str) -> Response:
        """A bundle of events. Not there where one of them is longer than 65,535 bytes: see `entries32`."""
        return await _bundle(reading, f"tile/entries/{place}")

    @routes.get("/tile/entries32/{place:path}", response_class=Response, dependencies=[Depends(bearer)])
    async def entries32(place: str) -> Response:
        """A bundle of events, each after its length in four bytes."""
        return await _bundle(reading, f"tile/entries32/{place}")

    @routes.get("/tile/{place:path}", response_class=Response)
    async def tile(place: str) -> Response:
        """A tile of hashes (C2SP tlog-tiles)."""
        named = _named(f"tile/{place}")
        held = await reading.tile(named) if isinstance(named, Tile) else None
        if held is None:
            raise _nowhere(f"tile/{place}")
        return Response(held, media_type=BINARY, headers=LASTING)

    return routes


async def _bundle(reading: LogReading, path: str) -> Response:
    named = _named(path)
    found = await reading.bundle(named) if isinstance(named, Bundle) else None
    if found is None:
        raise _nowhere(path)
    headers = {"content-length": str(found.bytes_long), "vary": "authorization", **LASTING_PRIVATE}
    return StreamingResponse(found.parts, media_type=BINARY, headers=headers)


def _named(path: str) -> Tile | Bundle:
    try:
        return parse_path(path)
    except Malformed as error:
        raise _nowhere(path) from error


def _nowhere(path: str) -> Refused:
    return Refused("not_found", f"there is no {path[:100]}", "Take the size from /log/checkpoint.")


def _standing(reading: LogReading) -> APIRouter:
    routes = APIRouter(tags=["log"])

    @routes.get("/v1/log")
    async def standing() -> LogStanding:
        """How many events there are, are sealed, and are cosigned; and what each witness says."""
        return await reading.standing()

    @routes.get("/log", response_class=HTMLResponse)
    async def whole() -> HTMLResponse:
        """The same as a page."""
        return HTMLResponse(page(await reading.standing()), headers=_NO_SCRIPTS)

    @routes.get("/metrics", response_class=Response, tags=["operations"])
    async def metrics() -> Response:
        """The same for Prometheus."""
        found = await reading.standing()
        age = None if found.sealed_at is None else (wall_now() - parse_instant(found.sealed_at)).total_seconds()
        return Response(exposition(found, age), headers={"content-type": CONTENT_TYPE_LATEST, **FLEETING})

    return routes


def _proofs(reading: LogReading, bearer: Bearer) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["log"], dependencies=[Depends(bearer)])

    @routes.get("/proofs")
    async def proofs(
        position: Annotated[list[Annotated[int, Query(ge=0, le=2**62)]], Query(min_length=1, max_length=MOST_PROOFS)],
    ) -> Proofs:
        """A proof for each of these positions (`?position=7&position=9`), all under the published checkpoint."""
        head, found = await reading.proofs(sorted(set(position)))
        lines = [
            ProofLine(position=at, file=f"proofs/{at}.tlog-proof", proof=raw.decode()) for at, raw in found.items()
        ]
        return Proofs(origin=head.origin, size=head.size, proofs=lines)

    return routes
