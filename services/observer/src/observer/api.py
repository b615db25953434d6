"""The observer's HTTP API: for feeds that post instead of publishing, and for asking what was refused."""

# No postponed annotations here: FastAPI reads those of the routes, which name what is local to a function.
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from common.errors import Permanent, Refused
from common.failpoints import failpoint
from common.http_api import harden
from common.ids import is_key
from common.ledger import Connection
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from observer.core.batches import MAX_BODY_BYTES, split_array
from observer.core.limits import MAX_SNAPSHOT_ROWS
from observer.core.observations import Answer, Incoming
from observer.core.snapshots import Report, is_snapshot_id
from observer.core.sources import ALL_FEEDS, feed_of
from observer.ports import Quarantine, Recording, Refusal, Transactions

PAGE = 200


@dataclass(frozen=True, slots=True)
class Context:
    """What the routes work with. `feeds`: feed -> SHA-256 of its bearer token, in hex."""

    recorder: Recording
    transactions: Transactions
    quarantine: Quarantine
    feeds: Callable[[], Mapping[str, str]]


class ItemAnswer(BaseModel):
    """What became of one message. `position` is its place in the ledger, or that of its rejection."""

    id: str | None
    status: Literal["accepted", "duplicate", "unchanged", "rejected"]
    position: int | None = None
    reason_code: str | None = None
    reason: str | None = None


class Answers(BaseModel):
    """One answer for each message, in order."""

    results: list[ItemAnswer]


class SnapshotReport(BaseModel):
    """The end of a snapshot: how many rows were sent, and as of when the source held them."""

    model_config = ConfigDict(strict=True, extra="forbid")

    entity_type: str = Field(max_length=200)
    snapshot: str
    as_of: str
    rows: int = Field(ge=0, le=MAX_SNAPSHOT_ROWS)
    complete: bool = True
    simulated: bool = False


class SnapshotAnswer(BaseModel):
    """Where the report stands in the ledger."""

    snapshot: str
    positions: list[int]


class ReportedType(BaseModel):
    """An active entity type: the feed that reports it, and the column that holds the key."""

    name: str
    source: str
    key: str


class DeclaredType(ReportedType):
    """The same with the declaration that is active: `spec` says which columns are read, and how."""

    spec: dict[str, Any]


class RefusalHeader(BaseModel):
    """A header that stood beside a refused message; the value's bytes in base64."""

    name: str
    value: str


class RefusalItem(BaseModel):
    """One refused message. `payload` (base64) and `headers` are given only when one refusal is asked for, and if they
    were kept."""

    number: int
    id: str
    refused_at: datetime
    feed: str
    reason_code: str
    reason: str
    origin: str
    payload_digest: str
    payload_bytes: int
    upstream_id: str | None = None
    entity_type: str | None = None
    key: str | None = None
    erased: bool = False
    payload: str | None = None
    headers: list[RefusalHeader] = []


class Refusals(BaseModel):
    """A page. `next` is what to give as `after` for the next one; null at the end."""

    results: list[RefusalItem]
    next: int | None


def setup(app: FastAPI) -> None:
    """Error answers and bounded bodies. One byte more than is accepted, so that the refusal can say so itself."""
    harden(app, MAX_BODY_BYTES + 1)


def router(context: Context) -> APIRouter:
    """All routes."""
    routes = APIRouter(prefix="/v1")
    bearer = HTTPBearer(auto_error=False, description="The feed's token.")

    async def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        if credentials is None:
            raise Refused("token_missing", "no bearer token was sent", "Send the feed's token.")
        feed = feed_of(credentials.credentials, context.feeds())
        if feed is None:
            raise Refused("token_invalid", "the token belongs to no feed", "Send the feed's token.")
        return feed

    async def reporter(feed: Annotated[str, Depends(caller)]) -> str:
        if feed == ALL_FEEDS:
            raise Refused("role_not_held", "this token may read rejections and report nothing", "Use a feed's token.")
        return feed

    _reporting(routes, context, reporter)
    _asking(routes, context, caller)
    return routes


def _reporting(routes: APIRouter, context: Context, reporter: Any) -> None:
    @routes.post("/observations", response_model=Answers, tags=["observations"], openapi_extra=_BODY)
    async def observations(
        request: Request,
        feed: Annotated[str, Depends(reporter)],
        snapshot: Annotated[str | None, Query(description="The snapshot whose rows these are.")] = None,
    ) -> Response:
        """Report up to 1,000 messages. Each gets an answer; one that is refused does not hold up the others.

        Accepted means durable. Sending the same messages again is safe.
        """
        if snapshot is not None and not is_snapshot_id(snapshot):
            raise Permanent(
                "snapshot_malformed", "a snapshot id has 1 to 100 printable characters, no space, no slash"
            )
        incoming = [Incoming(raw, "api") for raw in split_array(await request.body())]

        async def work(connection: Connection) -> list[Answer]:
            answers = await context.recorder.record(connection, incoming, feed, snapshot)
            failpoint("observer.report_appended")
            return answers

        answers = await context.transactions(work)
        failpoint("observer.report_committed")
        return Response(
            orjson.dumps({"results": [_item(answer) for answer in answers]}), 200, None, "application/json"
        )

    @routes.post("/snapshots", tags=["observations"])
    async def snapshots(report: SnapshotReport, feed: Annotated[str, Depends(reporter)]) -> SnapshotAnswer:
        """Finish a snapshot: what it named is as fresh as `as_of`; of a complete one, all else is missing."""
        made = Report(feed, **report.model_dump())
        positions = await context.transactions(lambda connection: context.recorder.report(connection, made))
        return SnapshotAnswer(snapshot=report.snapshot, positions=positions)


def _asking(routes: APIRouter, context: Context, caller: Any) -> None:
    quarantine = context.quarantine

    @routes.get("/entity-types", tags=["observations"], dependencies=[Depends(caller)])
    async def entity_types() -> list[ReportedType]:
        """What can be reported now, and by which feed."""
        await context.transactions(context.recorder.refresh)
        rules = context.recorder.rules()
        return [
            ReportedType(name=name, source=rule.source, key=rule.key_column) for name, rule in sorted(rules.items())
        ]

    @routes.get("/entity-types/{name}", tags=["observations"], dependencies=[Depends(caller)])
    async def entity_type(name: str) -> DeclaredType:
        """How the columns of an entity type are read: what a sender can look at before it sends."""
        await context.transactions(context.recorder.refresh)
        rule = context.recorder.rules().get(name)
        if rule is None:
            hint = "GET /v1/entity-types lists the active ones."
            raise Refused("unknown_entity_type", f"no EntityType {name[:60]!r} is active", hint)
        return DeclaredType(name=name, source=rule.source, key=rule.key_column, spec=dict(rule.spec))

    @routes.get("/rejections", tags=["rejections"])
    async def rejections(
        feed: Annotated[str, Depends(caller)],
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> Refusals:
        """What was refused, oldest first: the caller's own, or all of it with the token for all feeds."""
        found = await quarantine.refusals(_scope(feed), after, limit)
        return Refusals(
            results=[_refusal(item) for item in found], next=found[-1].number if len(found) == limit else None
        )

    @routes.get("/rejections/{identity}", tags=["rejections"])
    async def rejection(identity: str, feed: Annotated[str, Depends(caller)]) -> RefusalItem:
        """One refused message with its payload, if it was kept."""
        found = await quarantine.refusal(_scope(feed), identity) if is_key(identity) else None
        if found is None:
            raise _no_such(identity)
        return _refusal(found)

    @routes.delete("/rejections/{identity}/payload", status_code=204, tags=["rejections"])
    async def erase(identity: str, feed: Annotated[str, Depends(caller)]) -> None:
        """Erase the payload. The ledger goes on saying what was refused and why; it never held the payload."""
        if not is_key(identity) or not await quarantine.erase(_scope(feed), identity):
            raise _no_such(identity)


def _scope(feed: str) -> str | None:
    return None if feed == ALL_FEEDS else feed


def _no_such(identity: str) -> Refused:
    return Refused("not_found", f"there is no rejection {identity[:60]!r} of this feed", "See GET /v1/rejections.")


def _item(answer: Answer) -> dict[str, Any]:
    item = {
        "id": answer.upstream_id,
        "status": answer.status,
        "position": answer.position,
        "reason_code": answer.reason_code,
        "reason": answer.reason,
    }
    return {name: value for name, value in item.items() if value is not None or name == "id"}


def _refusal(found: Refusal) -> RefusalItem:
    data = {name: value for name, value in found.data.items() if name != "quarantine"}
    payload = None if found.payload is None else base64.b64encode(found.payload).decode()
    headers = [RefusalHeader(name=name, value=base64.b64encode(value).decode()) for name, value in found.headers]
    return RefusalItem(
        number=found.number,
        id=found.id,
        refused_at=found.refused_at,
        erased=found.erased,
        payload=payload,
        headers=headers,
        **data,
    )


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "maxItems": 1000,
                    "items": {
                        "type": "object",
                        "description": "A CloudEvent; see the observer's README.",
                        "required": ["specversion", "id", "source", "type", "time", "data"],
                    },
                }
            }
        },
    }
}
