"""Straight lines: read what is new in the ledger, judge whether each feed is complete, say what has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from common.canonical import digest
from common.clock import instant
from common.declarations.handling import Source
from common.events.envelope import Event
from common.events.observer import Doubt, SourceJudged
from common.ids import event_id, source_stream
from common.ledger import Connection

from observer.core.completeness import Heard, Held, Total, due, joined, judged, recounted, with_new
from observer.ports import Judgements

PAGE_POSITIONS = 20_000


class Declared(Protocol):
    """What is declared of feeds: `gapless` says where in the ledger each was declared so."""

    sources: dict[str, Source]
    gapless: dict[str, int]


class Judge:
    """Judges feeds by the ledger alone. `known` gives what is declared of them; `wall` is the wall clock."""

    def __init__(self, records: Judgements, known: Callable[[], Declared], wall: Callable[[], datetime]) -> None:
        self._records = records
        self._known = known
        self._wall = wall

    async def judge(self, connection: Connection) -> int:
        """Judge every feed as of the realm's now; returns of how many something else is said than before.

        In the caller's transaction, of which it is the last statement. Once it commits, what the ledger held when it
        began is taken into account.
        """
        until, head = await self._records.begin(connection)
        gapless = dict(self._known().gapless)
        floors = await self._numberings(connection, gapless, until)
        totals = await self._records.totals(connection)
        said = await self._records.judgements(connection)
        if not (totals or gapless or said) and head == until:
            return 0
        for after in range(until, head, PAGE_POSITIONS):
            feeds = {*gapless, *(total.feed for total, _ in totals)}
            heard = await self._records.tail(connection, after, min(head, after + PAGE_POSITIONS), feeds)
            totals = recounted(with_new(totals, heard), heard)
            await self._count_numbers(connection, heard, floors)
        asof = (await self._records.clock(connection)).now(self._wall())
        found: dict[str, list[Doubt]] = {}
        kept: list[tuple[Total, Held | None]] = []
        for feed in sorted({*said, *floors, *(total.feed for total, _ in totals)}):
            own = [pair for pair in totals if pair[0].feed == feed]
            kept += await self._judge(connection, feed, own, asof, found)
        await self._records.keep_totals(connection, kept)
        changed = {feed: doubts for feed, doubts in found.items() if doubts != said.get(feed, [])}
        events = [self._event(feed, doubts, asof) for feed, doubts in changed.items()]
        await self._records.say(connection, events, changed, head)
        return len(changed)

    async def _judge(
        self,
        connection: Connection,
        feed: str,
        totals: Sequence[tuple[Total, Held | None]],
        asof: datetime,
        found: dict[str, list[Doubt]],
    ) -> list[tuple[Total, Held | None]]:
        """Judge one feed, and say which totals are still of use: the latest that are due, and those that will be."""
        source = self._known().sources.get(feed)
        late_by = source.late_by if source is not None else timedelta()
        latest = due((total for total, _ in totals), late_by, asof)
        counted: list[tuple[Total, Held]] = []
        kept: list[tuple[Total, Held | None]] = []
        for total, held in totals:
            last = latest.get(total.entity_type)
            if last is None or total.as_of > last:
                kept.append((total, None))
            elif total.as_of == last:
                counted.append((total, held or await self._records.held(connection, total)))
        floors = await self._records.numberings(connection)
        runs = await self._records.runs(connection, feed)
        found[feed] = judged(runs, floors.get(feed), counted, late_by, asof)
        return [*kept, *counted]

    async def _numberings(
        self, connection: Connection, gapless: Mapping[str, int], until: int
    ) -> dict[str, int | None]:
        """The feeds whose numbers are watched, those declared since and not those declared otherwise since. What a
        feed said between its declaration and `until` is counted here: nobody watched it then."""
        floors = await self._records.numberings(connection)
        if gone := sorted(floors.keys() - gapless.keys()):
            await self._records.unnumber(connection, gone)
        known = {feed: floor for feed, floor in floors.items() if feed in gapless}
        for feed in sorted(gapless.keys() - floors.keys()):
            known[feed] = await self._records.number(connection, feed, gapless[feed])
            for after in range(gapless[feed], until, PAGE_POSITIONS):
                heard = await self._records.tail(connection, after, min(until, after + PAGE_POSITIONS), {feed})
                await self._count_numbers(connection, heard, {feed: known[feed]})
        return known

    async def _count_numbers(
        self, connection: Connection, heard: Sequence[Heard], floors: Mapping[str, int | None]
    ) -> None:
        for feed, floor in floors.items():
            numbers = [(one.sequence, one.at) for one in heard if one.feed == feed and one.sequence is not None]
            if numbers:
                runs = joined(await self._records.runs(connection, feed), numbers, floor)
                await self._records.keep_runs(connection, feed, runs)

    def _event(self, feed: str, doubts: Sequence[Doubt], asof: datetime) -> Event:
        data = SourceJudged(feed=feed, doubts=list(doubts)).model_dump(mode="json", exclude_none=True)
        stream, moment = source_stream(feed), instant(asof)
        return Event(
            id=event_id(SourceJudged.TYPE, stream, digest(data), instant(self._wall())),
            source="observer",
            type=SourceJudged.TYPE,
            subject=stream,
            time=instant(self._wall()),
            asof=moment,
            actor="service:observer",
            data=data,
        )
