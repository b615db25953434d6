"""What a proposal would change, worked out beside the daily work: nobody waits for it, nothing follows from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from common.changes.tally import concerned, tally
from common.declarations.catalogue import Catalogue
from common.declarations.problems import Wrong
from common.errors import Permanent
from common.events import Origin, new_event
from common.events.differ import ChangedState
from common.ids import preview_stream
from common.ledger import Connection, NewEvent

from differ.core.previewing import Waiting, most_cases, previewed, waiting
from differ.ports import Clock, Previews, ReadAs, Records

BATCH = 500
ACTOR = "service:differ"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """One proposal, beside what is active."""

    item: Waiting
    before: Catalogue
    after: Catalogue
    said: int


class Previewer:
    """`find`, `work_out` and `say` each take a transaction of their own: the second one reads a lot, and holds
    nobody up. A restart begins anew; what was said is in the ledger."""

    def __init__(
        self, records: Records, previews: Previews, clock: Clock, read_as: ReadAs, wall: Callable[[], datetime]
    ) -> None:
        self._records, self._previews, self._clock = records, previews, clock
        self._read_as, self._wall = read_as, wall
        self._done_until = -1
        self._unreadable: set[str] = set()

    async def find(self, conn: Connection) -> Task | None:
        """The newest proposal of which it isn't said yet what it would change beside what is active now. None also
        while what was observed before it is still on its way: a preview knows no less than its author."""
        until = await self._previews.proposed_until(conn)
        if until == self._done_until:
            return None
        before, _ = await self._records.catalogue(conn)
        items = waiting(await self._previews.proposals(conn))
        said = await self._previews.said(conn, [item.proposal for item in items])
        for item in items:
            number, active = said.get(item.proposal, (0, ""))
            wanted = active != before.digest and item.proposal not in self._unreadable
            if wanted and not await self._previews.knows(conn, item.position):
                return None
            if wanted and (after := self._after(item, before)) is not None:
                return Task(item, before, after, number)
        self._done_until = until
        return None

    def _after(self, item: Waiting, before: Catalogue) -> Catalogue | None:
        try:
            after = before.with_documents(item.documents())
            for name in concerned(before, after):
                after.compiled(name)
        except (Wrong, Permanent) as error:
            self._unreadable.add(item.proposal)
            _log.error("what %s would change can't be told: %s", item.proposal, error)
            return None
        return after

    async def work_out(self, conn: Connection, task: Task) -> tuple[datetime, list[ChangedState]]:
        """As of when, and what. The transaction sees one state of everything (REPEATABLE READ) and writes nothing."""
        asof = (await self._clock.read(conn)).now(self._wall())
        names = concerned(task.before, task.after)
        found = [tally(task.before, task.after, name, asof, most_cases(len(names))) for name in names]
        old, new = self._read_as(task.before), self._read_as(task.after)
        for entity_type in sorted({item for one in found for item in one.entity_types}):
            about = [one for one in found if entity_type in one.entity_types]
            after_key = ""
            while refs := await new.keys(conn, entity_type, after_key, BATCH):
                before, after = await old.seen(conn, refs), await new.seen(conn, refs)
                for ref in (ref for ref in refs if ref in before or ref in after):
                    for one in about:
                        one.see(ref[1], before.get(ref), after.get(ref))
                after_key = refs[-1][1]
                await asyncio.sleep(0)  # whatever came meanwhile goes first
        return asof, [one.changed() for one in found]

    async def say(self, conn: Connection, task: Task, asof: datetime, states: list[ChangedState]) -> None:
        """Append it. Raises `Transient` where somebody else did."""
        data = previewed(task.item, task.before.digest, states)
        origin = Origin(source="differ", actor=ACTOR, time=self._wall(), asof=asof, cause=task.item.event)
        version = task.said + 1
        event = new_event(data, preview_stream(task.item.proposal), origin, str(version))
        await self._records.append(conn, [NewEvent(event, version)])
