"""The differ's HTTP API: what is open, and which sources can be relied on."""

# No postponed annotations here: FastAPI reads those of the routes.
from typing import Any

from common.clock import instant
from common.entities.sources import Reliability
from common.errors import Transient
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel

from differ.ports import Answering


class DoubtShown(BaseModel):
    """Why a source can't be relied on."""

    reason_code: str
    says: str


class SourceShown(BaseModel):
    """A source: as of when it was heard last, and why it can't be relied on (nothing: it can)."""

    name: str
    heard: str | None
    reliable: bool
    doubts: list[DoubtShown]


def router(pool: Any, differ: Answering) -> APIRouter:
    """All routes. `pool` gives connections."""
    routes = APIRouter()

    @routes.get("/v1/counts", tags=["gaps"])
    async def counts() -> dict[str, dict[str, int]]:
        """By desired state: how many cases are open and undecided, and of how many entities it can't be told whether
        they are selected at all."""
        async with pool.acquire() as conn:
            return await differ.counts(conn)

    @routes.get("/v1/sources", tags=["sources"])
    async def sources() -> list[SourceShown]:
        """Every source that ever said anything or is declared."""
        return [_shown(found) for found in await _sources(pool, differ)]

    @routes.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        """The sources, for Prometheus."""
        return Response(exposition(await _sources(pool, differ)), media_type=CONTENT_TYPE_LATEST)

    return routes


async def notes(pool: Any, differ: Answering) -> list[str]:
    """For `trueup status`: a line for each source that can't be relied on."""
    return [
        f"source {found.feed}: {code}: {says}; what it reported is Unknown"
        for found in await _sources(pool, differ)
        for code, says in found.doubts
    ]


def exposition(sources: list[Reliability]) -> bytes:
    """The text of `/metrics`."""
    registry = CollectorRegistry()
    reliable = Gauge("trueup_source_reliable", "1 while the source can be relied on", ["source"], registry=registry)
    heard = Gauge(
        "trueup_source_heard_timestamp_seconds", "As of when it was heard last", ["source"], registry=registry
    )
    doubts = Gauge("trueup_source_doubts", "Why it can't be relied on", ["source", "reason_code"], registry=registry)
    for found in sources:
        reliable.labels(found.feed).set(int(not found.doubts))
        if found.heard is not None:
            heard.labels(found.feed).set(found.heard.timestamp())
        for code, _ in found.doubts:
            doubts.labels(found.feed, code).inc()
    return generate_latest(registry)


async def _sources(pool: Any, differ: Answering) -> list[Reliability]:
    try:
        async with pool.acquire() as conn:
            return await differ.sources(conn)
    except Transient as error:
        if error.reason_code != "realm_missing":
            raise
        return []


def _shown(found: Reliability) -> SourceShown:
    doubts = [DoubtShown(reason_code=code, says=says) for code, says in found.doubts]
    heard = instant(found.heard) if found.heard is not None else None
    return SourceShown(name=found.feed, heard=heard, reliable=not doubts, doubts=doubts)
