"""Polls source databases, each table in its own rhythm, one transaction a batch: rows and position together."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from common.clock import instant
from common.errors import Refused, Transient
from common.failpoints import failpoint
from common.ledger import Connection
from common.polls import Poll
from common.waiting import until_set

from observer.adapters.polls import Polls, PollTable
from observer.adapters.source_database import SourceDatabase
from observer.core import polling
from observer.core.observations import Answer, Incoming
from observer.core.polling import BATCH, Kept, Seen
from observer.core.snapshots import Report
from observer.core.sources import EntityRule
from observer.ports import Recording, Transactions

MOST_REMEMBERED = 200_000
LOOK_S = 0.2
_LOOK_BATCHES = 20
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class State:
    """How a poll stands, for those who look. `behind`: seconds, or numbers, that the source is ahead."""

    due: float = 0.0
    looked_at: datetime | None = None
    rows: int = 0
    refused: int = 0
    behind: float = 0.0
    reason: str = ""
    told: str = ""
    remembered: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Poller:
    """The observer's task `polls`. What is wrong with one source is said of it and holds up no other."""

    def __init__(
        self,
        polls: Callable[[], Polls],
        recorder: Recording,
        transactions: Transactions,
        wall: Callable[[], datetime],
    ) -> None:
        self._polls, self._recorder, self._transactions, self._wall = polls, recorder, transactions, wall
        self._table = PollTable()
        self.states: dict[tuple[str, str], State] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set: look at each table when it is due."""
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            polls = self._polls()
            self.states = {poll.name: self.states.get(poll.name, State()) for poll in polls.tables}
            due = [poll for poll in polls.tables if self.states[poll.name].due <= clock()]
            await asyncio.gather(*(self._visit(poll, polls.addresses[poll.feed], stop) for poll in due))
            for poll in due:
                self.states[poll.name].due = clock() + poll.every_s
            await until_set(stop, most_s=LOOK_S)

    async def notes(self) -> list[str]:
        """A line for each poll, for `trueup status`."""
        return [_note(name, state) for name, state in sorted(self.states.items())]

    async def _visit(self, poll: Poll, dsn: str, stop: asyncio.Event) -> None:
        state = self.states[poll.name]
        try:
            await self._look(poll, dsn, state, stop)
            reason, told = "", ""
        except (Refused, Transient) as error:
            reason, told = error.reason_code, error.message
        if (reason, told) != (state.reason, state.told):
            level = logging.WARNING if reason else logging.INFO
            _log.log(level, "the poll of %s for %s: %s", *poll.name, told or "goes on")
        state.reason, state.told, state.looked_at = reason, told, self._wall()

    async def _look(self, poll: Poll, dsn: str, state: State, stop: asyncio.Event) -> None:
        rule = await self._transactions(lambda connection: self._rule(connection, poll))
        async with SourceDatabase.connected(poll.feed, dsn) as source:
            now = await source.definition(poll)
            if rule.key_column not in now["columns"]:
                told = f"{poll.entity_type} is known by the column {rule.key_column}, which is not read"
                raise Refused("key_missing", told, "Read it: name it among the columns.")
            kept = await self._transactions(lambda connection: self._begin(connection, poll, now))
            await self._whole(poll, source, kept, rule, stop)
            await self._follow(poll, source, kept, rule, state, stop)

    async def _follow(
        self, poll: Poll, source: SourceDatabase, kept: Kept, rule: EntityRule, state: State, stop: asyncio.Event
    ) -> None:
        """All that is new, a batch a transaction."""
        begun, after, batches = kept, None, 0
        while not stop.is_set():
            rows: Sequence[Seen] = await source.page(poll, begun, after)
            believed = polling.up_to(rows, await self._latest())
            kept = await self._take(poll, kept, believed, rule, state)
            state.rows, batches = kept.rows, batches + 1
            if batches % _LOOK_BATCHES == 1 or len(rows) < BATCH:
                state.behind = await source.behind(poll, kept)
            if len(believed) < len(rows):
                told = f"the next row is of {instant(rows[len(believed)].moment)}, ahead of the realm's clock"
                raise Refused("source_ahead", told, "It is read when it has; or advance the clock.")
            if len(rows) < BATCH:
                return
            after = rows[-1].position

    async def _take(self, poll: Poll, kept: Kept, rows: Sequence[Seen], rule: EntityRule, state: State) -> Kept:
        """Record what was not recorded before, and keep the position, in one transaction."""
        messages = {(made := polling.message(poll, row, rule.sensitive))["id"]: made for row in rows}
        fresh = [polling.encoded(made) for identity, made in messages.items() if identity not in state.remembered]
        position = polling.newest(kept.position, rows)
        if fresh or position != kept.position:
            moved = replace(kept, position=position, rows=kept.rows + sum(row.beyond for row in rows))
            both = kept, moved
            answers = await self._transactions(lambda connection: self._record(connection, poll, both, fresh))
            kept, state.refused = moved, state.refused + sum(answer.status == "rejected" for answer in answers)
            failpoint("observer.poll_committed")
        for identity in messages:
            state.remembered[identity] = None
            state.remembered.move_to_end(identity)
        while len(state.remembered) > MOST_REMEMBERED:
            state.remembered.popitem(last=False)
        return kept

    async def _record(
        self, connection: Connection, poll: Poll, moved: tuple[Kept, Kept], fresh: Sequence[bytes]
    ) -> list[Answer]:
        if await self._table.load(connection, poll, lock=True) != moved[0]:
            raise Refused("poll_moved", "another observer polls this table, too", "It is looked at again by itself.")
        await self._table.save(connection, poll, moved[1])
        incoming = [Incoming(raw, "poll") for raw in fresh]
        answers = await self._recorder.record(connection, incoming, poll.feed) if incoming else []
        failpoint("observer.poll_appended")
        return answers

    async def _begin(self, connection: Connection, poll: Poll, now: dict[str, object]) -> Kept:
        before = await self._table.load(connection, poll, lock=True)
        kept = polling.accepted(poll, now, before)
        if kept != before:
            await self._table.save(connection, poll, kept)
        return kept

    async def _rule(self, connection: Connection, poll: Poll) -> EntityRule:
        await self._recorder.refresh(connection)
        rule = self._recorder.rules().get(poll.entity_type)
        if rule is None:
            told = f"no EntityType {poll.entity_type} is active: nothing is read until one is"
            raise Refused("unknown_entity_type", told, "Propose one with trueup apply, and have it activated.")
        if rule.source != poll.feed:
            told = f"{poll.entity_type} is reported by {rule.source}, as its EntityType says"
            raise Refused("feed_mismatch", told, f"Poll it as the feed {rule.source}.")
        return rule

    async def _latest(self) -> datetime:
        await self._transactions(self._recorder.refresh)
        return self._recorder.latest()

    async def _whole(
        self, poll: Poll, source: SourceDatabase, kept: Kept, rule: EntityRule, stop: asyncio.Event
    ) -> None:
        """Report all rows as one snapshot, when that is due: what is no longer there goes missing, and what has not
        changed is as fresh as the snapshot."""
        if not poll.whole_every_s:
            return
        last = await self._transactions(lambda connection: self._table.whole_at(connection, poll))
        if last is not None and self._wall() - last < timedelta(seconds=poll.whole_every_s):
            return
        async with source.unmoved() as moment:
            if moment > await self._latest():
                told = f"all rows are of {instant(moment)}, which the realm's clock has not reached"
                raise Refused("source_ahead", told, "They are read when it has; or advance the clock.")
            as_of = instant(moment)
            name, count, complete, after = polling.snapshot_name(poll, as_of), 0, True, None
            while not stop.is_set():
                rows = await source.page(poll, kept, after, whole=True)
                made = [polling.part_of_whole(poll, row, name, as_of, rule.key_column) for row in rows]
                incoming = [Incoming(polling.encoded(item), "poll") for item in made]
                answers = await self._transactions(
                    lambda connection, part=incoming: self._recorder.record(connection, part, poll.feed, name)  # type: ignore[misc]
                )
                good = sum(answer.status != "rejected" for answer in answers)
                count, complete = count + good, complete and good == len(answers)
                if len(rows) < BATCH:
                    break
                after = rows[-1].position
            else:
                return
        report = Report(poll.feed, poll.entity_type, name, as_of, count, complete)

        async def finish(connection: Connection) -> None:
            await self._table.reported(connection, poll, self._wall())
            await self._recorder.report(connection, report)

        await self._transactions(finish)


def _note(name: tuple[str, str], state: State) -> str:
    feed, entity_type = name
    told = f"polls {feed} for {entity_type}: {state.rows:,} rows, {state.behind:,.0f} behind"
    told += f", {state.refused:,} refused" if state.refused else ""
    return f"{told}; {state.reason}: {state.told}" if state.reason else told
