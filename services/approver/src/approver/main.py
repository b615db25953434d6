"""The approver, put together. The only place that wires."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from common.bus import Consumer
from common.clock import wall_now
from common.directory import WatchedDirectory
from common.entities import EntityStore
from common.errors import Permanent
from common.events import Origin, new_event
from common.http_api import harden
from common.http_auth import Bearer, Logins, Tokens, read_secret
from common.ids import REALM_STREAM
from common.ledger import Connection, NewEvent, append
from common.ledger.progress import quiescent
from common.runtime import Parts, Runtime, Service, run
from common.service_keys import signing_of
from common.subject_keys import subject_keys
from common.timers import Timers, WallTimers
from common.waiting import until_set

from approver.adapters.book import LedgerBook
from approver.adapters.deadlines import TimedDeadlines
from approver.adapters.facts import StoredFacts
from approver.adapters.intake import Intake
from approver.adapters.lines import PostgresLines, PostgresLists
from approver.adapters.projection import Lists
from approver.adapters.records import LedgerRecords
from approver.adapters.transactions import Transactions
from approver.api.context import Context
from approver.api.routers import MAX_BODY_BYTES, routers
from approver.core import clocks
from approver.core.drafting import NAME
from approver.core.watched import differences
from approver.desk import Desk
from approver.handlers import CASE_TOPICS, CHUNK, Handlers
from approver.ports import Believed
from approver.settings import ApproverSettings

LOOK_AT_DIRECTORY_S = 1.0
GATHER_S = 0.1
WORTH_TELLING, MOST_COUNTED = 4_000, 1_000_000
_LOG = logging.getLogger(__name__)


async def compose(runtime: Runtime) -> Parts:
    """The approver's parts. Raises `Permanent` when directory, issuer key or signing key can't be used."""
    settings = runtime.settings
    assert isinstance(settings, ApproverSettings)
    people = WatchedDirectory(_required(settings.directory, "TRUEUP_DIRECTORY"), settings.realm)
    tokens = Tokens(read_secret(_required(settings.issuer_key, "TRUEUP_ISSUER_KEY")), settings.realm)
    signing = signing_of(NAME, settings, wall_now())
    keys = subject_keys(settings.subject_keys)
    timers, store = Timers(NAME), EntityStore(NAME, keys)
    transactions = Transactions(runtime.pool)
    await transactions.run(lambda conn: _create_realm(conn, settings))

    lines = PostgresLines()
    facts = StoredFacts(store, runtime.ledger)
    book = LedgerBook(runtime.ledger, people)
    records, believed = LedgerRecords(signing.key), Believed(people, signing.keys)
    desk = Desk(records, book, facts, lines, TimedDeadlines(timers), believed, wall_now)
    handlers = Handlers(desk, lines, timers)
    intake = Intake(
        settings.database_url.get_secret_value(), lambda: transactions.run(lambda conn: _follow(conn, desk, facts))
    )
    duties = _Duties(transactions, desk, handlers, timers, people)
    context = Context(
        realm=settings.realm,
        desk=desk,
        lists=PostgresLists(runtime.pool),
        transact=transactions.run,
        people=people,
        tokens=tokens,
        logins=Logins(),
        bearer=Bearer(tokens, people),
        quiescent=lambda: quiescent(runtime.pool),
        wall=wall_now,
        subject_keys=keys,
    )
    return Parts(
        consumers=[
            Consumer(CASE_TOPICS, handlers.cases),
            Consumer(("declarations",), handlers.declarations),
            Consumer(("clock",), handlers.clock),
        ],
        tasks={"deadlines": duties.deadlines, "directory": duties.directory, "observations": intake.run},
        routers=routers(context),
        setup=lambda app: harden(app, MAX_BODY_BYTES),
        gather_s=GATHER_S,
        notes=lambda: notes(runtime.pool, transactions, desk, facts),
    )


async def _follow(conn: Connection, desk: Desk, facts: StoredFacts) -> int:
    await facts.lock(conn)
    return await facts.follow(conn, (await desk.look(conn)).declarations.catalogue)


async def notes(pool: Any, transactions: Transactions, desk: Desk, facts: StoredFacts) -> list[str]:
    """For `trueup status`: what waits for somebody's eye although the service is ready."""
    situation = await transactions.run(desk.look)
    return [*await suspended(pool), *differences(situation.declarations), *await catching_up(pool, facts)]


async def catching_up(pool: Any, facts: StoredFacts) -> list[str]:
    """That a decision taken now would first take in much that was observed, and how much."""
    behind = await facts.behind(pool, MOST_COUNTED)
    if behind < WORTH_TELLING:
        return []
    more = " at least" if behind == MOST_COUNTED else ""
    return [f"catching up: {behind:,} observations{more} are not taken in yet; a decision waits until they are"]


async def suspended(pool: Any) -> list[str]:
    """That cases are suspended, and until somebody looks nothing happens in them."""
    cases = [row[0] for row in await pool.fetch(_SUSPENDED)]
    if not cases:
        return []
    more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
    named = f"{', '.join(cases[:MOST_NAMED])}{more}"
    return [f"suspended, because what actions mend is undone: {named}; see trueup cases --stage suspended"]


_SUSPENDED = "SELECT case_id FROM approver.cases WHERE stage = 'suspended' ORDER BY case_id"
MOST_NAMED = 5


class _Duties:
    """What the approver does beside messages and requests."""

    def __init__(
        self, transactions: Transactions, desk: Desk, handlers: Handlers, timers: Timers, people: WatchedDirectory
    ) -> None:
        self._transactions = transactions
        self._desk = desk
        self._handlers = handlers
        self._timers = timers
        self._people = people

    async def deadlines(self, stop: asyncio.Event) -> None:
        """On a wall clock, fire deadlines as they come due; a replay clock's fire when it moves."""
        situation = await self._transactions.run(self._desk.look)
        if situation.clock.mode == "replay":
            await stop.wait()
            return
        wall = WallTimers(self._transactions.pool, self._timers, self._timers.firing(self._handlers.expire), wall_now)
        firing = asyncio.create_task(wall.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({firing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if firing.done():
                firing.result()
        finally:
            firing.cancel()
            stopping.cancel()
            await asyncio.gather(firing, stopping, return_exceptions=True)

    async def directory(self, stop: asyncio.Event) -> None:
        """Look at all open cases again at start, and whenever the directory's file changes: who may decide is a part
        of what approvals bind to."""
        known = self._people()
        await self._review_all(stop)
        while not stop.is_set():
            if self._people() is not known:
                known = self._people()
                _LOG.info("the directory has changed; looking at all open cases again")
                await self._review_all(stop)
            await until_set(stop, most_s=LOOK_AT_DIRECTORY_S)

    async def _review_all(self, stop: asyncio.Event) -> None:
        after = ""
        while not stop.is_set():
            chunk = await self._transactions.run(lambda conn, after=after: self._handlers.chunk(conn, after))  # type: ignore[misc]
            if len(chunk) < CHUNK:
                return
            after = chunk[-1]


async def _create_realm(conn: Connection, settings: ApproverSettings) -> None:
    """Fix the realm's clock, unless that was done before."""
    if await conn.fetchval("SELECT count(*) FROM ledger.events WHERE stream = $1", REALM_STREAM):
        return
    data = clocks.created(settings.realm, settings.clock, settings.timezone)
    wall = wall_now()
    origin = Origin(source=NAME, actor=f"service:{NAME}", time=wall, asof=clocks.start_of(data, wall))
    await append(conn, [[NewEvent(new_event(data, REALM_STREAM, origin), 1)]])


def _required(value: Any, variable: str) -> Any:
    if value is None:
        raise Permanent("setting_missing", f"{variable} is not set: the approver needs it")
    return value


SERVICE = Service(
    name=NAME,
    compose=compose,
    settings=ApproverSettings,
    title="Trueup: approver",
    description="Who confirmed, approved and released what. Decisions are signed by the person's own key.",
    projection=Lists,
)


def main() -> None:
    """Run the approver until it is told to stop."""
    run(SERVICE)


if __name__ == "__main__":
    main()
