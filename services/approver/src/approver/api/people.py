"""Who is asking, who there is, and the realm's clock."""

import asyncio
from typing import Annotated

from common.clock import instant
from common.directory import Person
from common.events import Origin, new_event
from common.events.approver import ClockAdvanced
from common.ids import REALM_STREAM
from common.ledger import Connection
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from approver.api.context import Context
from approver.api.models import (
    ClockAnswer,
    ClockRequest,
    LoginAnswer,
    LoginAsked,
    LoginRequest,
    Me,
    PersonEntry,
    Realm,
)
from approver.core import clocks
from approver.core.drafting import NAME
from approver.core.proposals import Numbered

QUIESCENT_WITHIN_S = 60.0
FIRST_LOOK_S, LAST_LOOK_S = 0.01, 0.05
"""Between two looks whether all is handled: what takes long is looked at less often."""


class PeopleAnswer(BaseModel):
    people: list[PersonEntry]


def router(context: Context) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["people and clock"])
    asker = Annotated[Person, Depends(context.bearer)]

    @routes.get("/login")
    async def login_asked() -> LoginAsked:
        """The realm that a login is signed for."""
        return LoginAsked(realm=context.realm, now=instant(context.wall()))

    @routes.post("/login")
    async def login(request: LoginRequest) -> LoginAnswer:
        """A token for twelve hours, for a login signed with the person's own key."""
        person = context.people().person(request.person)
        now = context.wall()
        context.logins.check(person, context.realm, request.made_at, request.nonce, request.signature, now)
        token, until = context.tokens.issue(person.id, now)
        return LoginAnswer(
            token=token,
            expires=instant(until),
            realm=context.realm,
            person=person.id,
            name=person.name,
            roles=list(person.roles),
        )

    @routes.get("/me")
    async def me(person: asker) -> Me:
        """Who you are, in which roles."""
        return Me(person=person.id, name=person.name, roles=list(person.roles), realm=context.realm)

    @routes.get("/people")
    async def people(_: asker) -> PeopleAnswer:
        """Everybody in the realm's directory."""
        entries = sorted(context.people().people.values(), key=lambda person: person.id)
        return PeopleAnswer(
            people=[
                PersonEntry(id=entry.id, name=entry.name, roles=list(entry.roles), simulated=entry.simulated)
                for entry in entries
            ]
        )

    @routes.get("/realm")
    async def realm(_: asker, quiescent_within: Annotated[float, Query(ge=0, le=QUIESCENT_WITHIN_S)] = 0.0) -> Realm:
        """The realm, its clock, and whether all services have handled everything. With `quiescent_within` this
        answers once they have, and after so many seconds whether or not."""
        quiet, behind = await _quiescent(context, quiescent_within)
        now = await context.transact(context.desk.look)
        return Realm(
            realm=context.realm,
            mode=now.clock.mode,
            timezone=now.clock.timezone,
            now=instant(now.when.asof),
            quiescent=quiet,
            behind=behind,
        )

    @routes.post("/clock")
    async def advance(request: ClockRequest, person: asker) -> ClockAnswer:
        """Move a replay clock forward, once all services have handled everything before."""
        clocks.check_keeper(person)
        now = await context.transact(context.desk.look)
        clocks.advanced(now.clock, request.to)  # refused now rather than after the wait
        quiet, behind = await _quiescent(context, QUIESCENT_WITHIN_S)
        if not quiet:
            raise clocks.behind(behind)
        return await context.transact(lambda conn: _advance(context, conn, request.to, person))

    return routes


async def _quiescent(context: Context, within_s: float) -> tuple[bool, list[str]]:
    """As `Context.quiescent`, as soon as nothing is under way, or as it is after `within_s`."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        quiet, behind = await context.quiescent()
        waited = loop.time() - began
        if quiet or waited >= within_s:
            return quiet, behind
        # A replay asks at each of its midnights: it waits a tenth longer than it must at most.
        pause = min(max(FIRST_LOOK_S, waited / 10), LAST_LOOK_S)
        await asyncio.sleep(min(pause, within_s - waited))


async def _advance(context: Context, conn: Connection, to: str, person: Person) -> ClockAnswer:
    now = await context.desk.look(conn)
    data: ClockAdvanced = clocks.advanced(now.clock, to)
    # The event's own instant is the one the clock moves from: what it leads to comes after.
    origin = Origin(source=NAME, actor=f"person:{person.id}", time=now.when.time, asof=now.when.asof)
    event = new_event(data, REALM_STREAM, origin, data.was, data.now)
    positions = await context.desk.record(conn, [Numbered(event, now.realm_version + 1)])
    return ClockAnswer(was=data.was, now=data.now, position=positions[0])
