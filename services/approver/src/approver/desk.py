"""Where cases are taken up: loaded, decided about, written down. One transaction at a time has its turn.

Handlers and API both come here, so that what a message leads to and what a person decides never miss each other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from common.cases import Case
from common.clock import RealmClock
from common.erasures import Erasure
from common.erasures import fold as fold_erasures
from common.errors import Permanent, Refused
from common.events import Event
from common.ledger import Connection, NewEvent, Recorded
from common.sealing import Subject as PersonalSubject

from approver.core import reactions
from approver.core.decisions import decide, nonces
from approver.core.drafting import Draft, Signed, When
from approver.core.lines import CaseLine, line
from approver.core.proposals import Declarations, Numbered
from approver.core.surroundings import Surroundings
from approver.ports import Believed, Book, Deadlines, Facts, Known, Lines, ReadFacts, Records, Subject

_NOTHING = Known({}, {})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Opened:
    """One case on the desk: its events, the draft that adds to them, and what they are decided by."""

    draft: Draft
    recorded: list[Recorded]
    around: Surroundings
    blocked: str = ""

    @property
    def events(self) -> list[Event]:
        """What was in the ledger when the case was opened."""
        return [item.event for item in self.recorded]

    @property
    def case(self) -> Case:
        return self.draft.case


@dataclass(frozen=True, slots=True)
class Situation:
    """The realm as it is in this transaction."""

    declarations: Declarations
    clock: RealmClock
    when: When
    realm_version: int


@dataclass(slots=True)
class Decided:
    """What came of one decision: the events that were appended and where, or why it was refused.

    A refused decision may have led to events all the same: that something it was about no longer holds.
    """

    case: Case
    events: list[Event] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    refusal: Refused | None = None


class Desk:
    """`wall` is the wall clock. Every method works in the caller's transaction (READ COMMITTED) and is its last
    statement; events are durable when that commits."""

    def __init__(
        self,
        records: Records,
        book: Book,
        facts: Facts,
        lines: Lines,
        deadlines: Deadlines,
        believed: Believed,
        wall: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._book = book
        self._facts = facts
        self._lines = lines
        self._deadlines = deadlines
        self._believed = believed
        self._wall = wall

    async def look(self, conn: Connection) -> Situation:
        """The realm as committed now."""
        realm = await self._book.refresh(conn)
        wall = self._wall()
        return Situation(realm.declarations, realm.clock, When(wall, realm.clock.now(wall)), realm.version)

    async def open(
        self, conn: Connection, cases: Sequence[str], asof: datetime | None = None, *, lenient: bool = False
    ) -> list[Opened]:
        """Take the turn and put these cases on the desk, as of `asof` (default: the realm's now).

        Cases that don't exist are left out; with `lenient` also those that can't be read, else they raise
        `Permanent` (`case_unreadable`).
        """
        await self._facts.lock(conn)
        situation = await self.look(conn)
        await self._facts.catch_up(conn, situation.declarations.catalogue)
        when = situation.when if asof is None else When(situation.when.time, asof)
        return await self._open(conn, cases, situation, when, lenient=lenient)

    async def read(self, conn: Connection, case: str) -> Opened | None:
        """One case to look at, without taking the turn: whom it waits for is decided by what the lists go by.

        Facts as of what was taken in last once there is a plan; before, the entity's own row tells, as in lists.
        """
        situation = await self.look(conn)
        folded = await self._fold(conn, [case], lenient=False)
        planned = any(case.plan is not None for case, _ in folded)
        read = self._facts.read if planned else self._facts.reported
        found = await self._lay_out(conn, folded, situation, situation.when, read)
        return found[0] if found else None

    async def _open(
        self, conn: Connection, cases: Sequence[str], situation: Situation, when: When, *, lenient: bool
    ) -> list[Opened]:
        folded = await self._fold(conn, cases, lenient=lenient)
        return await self._lay_out(conn, folded, situation, when, self._facts.read)

    async def _fold(
        self, conn: Connection, cases: Sequence[str], *, lenient: bool
    ) -> list[tuple[Case, list[Recorded]]]:
        folded = []
        for name, items in (await self._records.cases(conn, sorted(set(cases)))).items():
            try:
                folded.append((Case.fold(name, ((item.position, item.event) for item in items)), items))
            except Permanent as error:
                if not lenient:
                    raise
                _log.error("%s is passed over, nothing can be decided in it: %s", name, error)
        return folded

    async def _lay_out(
        self,
        conn: Connection,
        folded: Sequence[tuple[Case, list[Recorded]]],
        situation: Situation,
        when: When,
        read: ReadFacts,
    ) -> list[Opened]:
        catalogue, directory = situation.declarations.catalogue, self._believed.people()
        trusted = self._believed.service_keys()
        wanted = [subject for case, _ in folded if (subject := _subject(case)) is not None]
        known = await read(conn, catalogue, wanted, when.asof)
        opened = []
        for case, recorded in folded:
            entity = known.get(subject, _NOTHING) if (subject := _subject(case)) is not None else _NOTHING
            around = Surroundings(catalogue, directory, trusted, entity.facts, entity.told, entity.exempt)
            opened.append(Opened(Draft(case, when), recorded, around))
        return opened

    async def review(self, conn: Connection, cases: Sequence[str]) -> None:
        """Record what follows from how these cases stand now, and list them anew.

        Without a plan there is nothing to record, only to list for whom the case waits: the entity's own row, as
        last reported, tells that, and the store is not caught up for it.
        """
        await self._facts.lock(conn)
        situation = await self.look(conn)
        folded = await self._fold(conn, cases, lenient=True)
        read = self._facts.reported
        if any(case.plan is not None for case, _ in folded):
            await self._facts.catch_up(conn, situation.declarations.catalogue)
            read = self._facts.read
        opened = await self._lay_out(conn, folded, situation, situation.when, read)
        for item in opened:
            _react(item)
        await self._file(conn, opened)

    async def expire(self, conn: Connection, cases: Sequence[str], instant: datetime) -> None:
        """Record, as of `instant`, whose time ran out."""
        opened = await self.open(conn, cases, instant, lenient=True)
        for item in opened:
            reactions.expire(item.draft)
        await self._file(conn, opened)

    async def decide(self, conn: Connection, signed: Signed) -> Decided:
        """Record one decision about a case and what follows from it.

        What follows from a change that nobody has looked at yet is recorded first: a person never decides on what
        no longer holds. Raises `Refused` (`case_unknown`).
        """
        opened = await self.open(conn, [signed.decision.case])
        if not opened:
            raise Refused("case_unknown", f"there is no case {signed.decision.case}", "List them: trueup cases")
        item = opened[0]
        _react(item)
        decided = Decided(item.case)
        try:
            decide(item.draft, signed, nonces(item.events), item.around)
        except Refused as refusal:
            decided.refusal = refusal
            if not item.draft.events:
                return decided
        decided.events = item.draft.events
        decided.positions = await self._file(conn, opened)
        return decided

    async def erasures(self, conn: Connection) -> dict[PersonalSubject, Erasure]:
        """Every erasure that was asked for, as far as it has come."""
        return fold_erasures((item.event for item in await self._records.erasures(conn)), self._believed.people())

    async def observed(self, conn: Connection, subject: PersonalSubject) -> bool:
        """Whether anything was ever observed of it."""
        return await self._records.observed(conn, subject)

    async def record(self, conn: Connection, numbered: Sequence[Numbered]) -> list[int]:
        """Append events of declarations or of the realm, all or none."""
        request = [NewEvent(item.event, item.version) for item in numbered]
        return (await self._records.append(conn, [request]))[0]

    async def _file(self, conn: Connection, opened: Sequence[Opened]) -> list[int]:
        """Write lines and deadlines, then append; the positions of all new events."""
        lines: list[CaseLine] = []
        for item in opened:
            row = line(item.case, item.recorded[0].event.asof, item.around, item.blocked)
            lines += [row] if row is not None else []
        await self._lines.write(conn, lines)
        await self._deadlines.set(conn, {item.case.id: reactions.deadline(item.case) for item in opened})
        requests = [
            [NewEvent(event, version) for event, version in zip(item.draft.events, item.draft.versions, strict=True)]
            for item in opened
            if item.draft.events
        ]
        if not requests:
            return []
        return [position for positions in await self._records.append(conn, requests) for position in positions]


def _react(item: Opened) -> None:
    left = reactions.left_behind(item.events, item.case)
    item.blocked = reactions.react(item.draft, item.around, left)


def _subject(case: Case) -> Subject | None:
    if case.gap is None:
        return None
    return Subject(case.gap.data.desired_state, case.gap.data.entity_type, case.gap.data.key)
