"""The routes. All of them need a signed-in person; none of them writes."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from common import revealing
from common.cases import Case
from common.errors import Refused
from common.http_auth import Bearer
from common.ledger import Recorded
from common.sealing import Keys, Subject
from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime

from auditor.api.finding import KnownAs, finding, no_others
from auditor.api.models import (
    AttestationList,
    CaseList,
    CasePage,
    Counts,
    ErrorAnswer,
    EventAnswer,
    EventList,
    Explained,
    ObjectiveLine,
    ObjectiveList,
    Timeline,
    TimelineLine,
)
from auditor.api.pages import case_page
from auditor.core import timeline
from auditor.ports import Reading

PAGE = 200
MOST_POSITIONS = 500
MAX_BODY_BYTES = 64 * 1024
_REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "Refused, with a stable reason code."}
}


ReadKeys = Callable[[Sequence[Subject]], Awaitable[Keys]]


async def no_keys(_: Sequence[Subject]) -> Keys:
    """The keys there are without TRUEUP_SUBJECT_KEYS."""
    return {}


def router(reading: Reading, bearer: Bearer, keys: ReadKeys = no_keys, known: KnownAs = no_others) -> APIRouter:
    """Everything under /v1. `bearer` is the dependency that says who is asking; `keys` reads subject keys, with which
    what is sealed is shown; `known` says what the ledger calls the entity that people know by a key. Bytes of events
    and attestations stay as they are."""
    whole = APIRouter(prefix="/v1", responses=_REFUSED, dependencies=[Depends(bearer)])
    parts = (finding(reading, bearer, known), _cases(reading, keys), _events(reading, keys), _attestations(reading))
    for part in parts:
        whole.include_router(part)
    return whole


def _cases(reading: Reading, keys: ReadKeys) -> APIRouter:
    routes = APIRouter(tags=["cases"])

    @routes.get("/cases")
    async def cases(
        stage: str | None = None,
        desired_state: str | None = None,
        key: str | None = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> CaseList:
        """Cases by id, those that match all that is given. `key`: the entity's, as the ledger has it."""
        lines, total = await reading.cases(stage, desired_state, None if key is None else (key,), after, limit)
        return CaseList(cases=lines, next=lines[-1].case if len(lines) == limit else None, total=total)

    @routes.get("/counts")
    async def counts() -> Counts:
        """Cases by stage, and what keeps closed cases from being attested."""
        stages, unattested = await reading.counts()
        return Counts(stages=stages, unattested=unattested)

    @routes.get("/objectives", tags=["objectives"])
    async def objectives(at: AwareDatetime | None = None) -> ObjectiveList:
        """Each objective as it was measured last, or had been by `at` on the realm clock."""
        events = [recorded.event for recorded in await reading.objectives(at)]
        return ObjectiveList(
            objectives=[ObjectiveLine(asof=event.asof, id=event.id, data=event.data) for event in events]
        )

    @routes.get("/cases/{case:path}/timeline")
    async def case_timeline(case: str) -> Timeline:
        """Everything that happened in a case, each event with its cause. Ask `/v1/events/{id}` for all causes."""
        recorded = await _history(reading, case)
        return Timeline(case=case, stage=_fold(case, recorded).stage, events=[_line(item) for item in recorded])

    @routes.get("/cases/{case:path}")
    async def one_case(case: str) -> CasePage:
        """One case as it stands, folded from the ledger now."""
        page = case_page(_fold(case, await _history(reading, case)))
        return CasePage.model_validate(await _opened(page.model_dump(), keys))

    return routes


def _events(reading: Reading, keys: ReadKeys) -> APIRouter:
    routes = APIRouter(tags=["events"])

    @routes.get("/events")
    async def events(
        position: Annotated[list[Annotated[int, Query(ge=0, le=2**62)]], Query(max_length=MOST_POSITIONS)],
    ) -> EventList:
        """The events at these positions (`?position=7&position=9`), byte for byte."""
        return EventList(events=[await _answer(item, keys) for item in await reading.at(sorted(set(position)))])

    @routes.get("/events/{event_id}")
    async def event(event_id: str) -> Explained:
        """One event with everything that led to it, to the root, and what it rests on."""
        recorded = await reading.by_id(event_id)
        if recorded is None:
            raise Refused("event_unknown", f"there is no event {event_id}", "Take an id from a case's timeline.")
        causes, complete = await reading.causes(recorded)
        return Explained(
            event=await _answer(recorded, keys),
            causes=[_line(item) for item in causes],
            cited=[_line(item) for item in await reading.cited(recorded)],
            complete=complete,
        )

    return routes


def _attestations(reading: Reading) -> APIRouter:
    routes = APIRouter(tags=["attestations"])

    @routes.get("/attestations")
    async def attestations(after: str = "", limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE) -> AttestationList:
        """What has been attested, by case."""
        lines, total = await reading.attestations(after, limit)
        following = lines[-1].case if len(lines) == limit else None
        return AttestationList(attestations=lines, next=following, total=total)

    @routes.get("/attestations/{case:path}", response_class=Response)
    async def document(case: str) -> Response:
        """The attestation of a case, byte for byte as issued. Check it with `trueup audit verify FILE`."""
        found = await reading.document(case)
        if found is None:
            what = "It is issued when the case is closed: trueup cases"
            raise Refused("case_unknown", f"there is no attestation of {case}", what)
        digest, raw = found
        name = "".join(char if char.isalnum() or char in "-." else "-" for char in case)
        headers = {
            "x-trueup-digest": digest,
            "content-disposition": f'inline; filename="attestation-{name}.json"',
        }
        return Response(raw, media_type="application/json", headers=headers)

    return routes


async def _history(reading: Reading, case: str) -> list[Recorded]:
    recorded = await reading.case(case)
    if not recorded:
        raise Refused("case_unknown", f"there is no case {case}", "List them: trueup cases")
    return recorded


def _fold(case: str, recorded: list[Recorded]) -> Case:
    return Case.fold(case, ((item.position, item.event) for item in recorded))


def _line(recorded: Recorded) -> TimelineLine:
    return TimelineLine.model_validate(timeline.line(recorded.position, recorded.event))


async def _opened(data: Any, keys: ReadKeys) -> Any:
    """`data` with what is sealed in it as the reader may see it."""
    sealed = revealing.subjects(data)
    return revealing.revealed(data, await keys(sealed)) if sealed else data


async def _answer(recorded: Recorded, keys: ReadKeys) -> EventAnswer:
    return EventAnswer(
        position=recorded.position,
        event=recorded.raw.decode(),
        sha256=hashlib.sha256(recorded.raw).hexdigest(),
        line=_line(recorded),
        data=await _opened(recorded.event.data, keys),
    )
