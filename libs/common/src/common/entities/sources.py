"""Feeds: as of when each last said anything, and why what it reported is not complete.

Both are folds that any order comes to: the latest instant, and the judgement that stands last in the ledger. What a
declared Source asks for is applied when something is decided (`limit_of`), so that another declaration, and time
alone, count at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.handling import Source
from common.declarations.known import Limit
from common.entities.rows import NEVER, Observation
from common.errors import Permanent
from common.events.observer import Doubt, SourceCounted, SourceJudged, SourceReported
from common.ledger import Recorded

_AS_OF = (SourceReported.TYPE, SourceCounted.TYPE)


@dataclass(frozen=True, slots=True)
class SourceState:
    """`heard`: the latest source time of anything it said. `doubts`: why it is not complete; none where it is, and
    where nobody judged it. `judged` is the ledger position of that judgement, -1 without one."""

    feed: str
    heard: datetime
    doubts: tuple[Doubt, ...] = ()
    judged: int = -1


def quiet_from(state: SourceState, declared: Source | None) -> datetime | None:
    """The instant from which the feed counts as gone quiet; None where nobody declared how often it speaks."""
    return None if declared is None or declared.quiet_after is None else state.heard + declared.quiet_after


def limit_of(state: SourceState | None, declared: Source | None, feed: str, entity_type: str) -> Limit | None:
    """From when on nothing that `feed` reported of `entity_type` can be relied on, and why; the earliest reason."""
    if state is None:
        quiet = declared is not None and declared.quiet_after is not None
        return Limit(NEVER, f"source_quiet: {feed} has never said anything") if quiet else None
    limits = [
        Limit(parse_instant(doubt.since), f"{doubt.reason_code}: {feed}: {doubt.says}")
        for doubt in state.doubts
        if doubt.entity_type in (None, entity_type)
    ]
    if (at := quiet_from(state, declared)) is not None:
        limits.append(Limit(at, f"source_quiet: {feed} has said nothing since {state.heard:%Y-%m-%d %H:%M} UTC"))
    return min(limits, default=None)


def in_doubt(state: SourceState | None, declared: Source | None, asof: datetime) -> tuple[object, ...]:
    """Why the feed can't be relied on as of `asof`; empty where it can. Where this changes, so does what it
    reported."""
    if state is None:
        return ("quiet",) if declared is not None and declared.quiet_after is not None else ()
    at = quiet_from(state, declared)
    return (*(("quiet",) if at is not None and asof >= at else ()), *state.doubts)


@dataclass(frozen=True, slots=True)
class Reliability:
    """A feed as people see it: since when it was heard last, and each (reason code, words) why it can't be relied
    on."""

    feed: str
    heard: datetime | None
    doubts: tuple[tuple[str, str], ...]


def reliability(feed: str, state: SourceState | None, declared: Source | None, asof: datetime) -> Reliability:
    """Whether `feed` can be relied on as of `asof`."""
    found = []
    if "quiet" in in_doubt(state, declared, asof):
        when = "it has never said anything" if state is None else f"nothing since {state.heard:%Y-%m-%d %H:%M} UTC"
        found.append(("source_quiet", when))
    for doubt in state.doubts if state is not None else ():
        kind = f"{doubt.entity_type}: " if doubt.entity_type else ""
        found.append((doubt.reason_code, f"{kind}{doubt.says}"))
    return Reliability(feed, None if state is None or state.heard == NEVER else state.heard, tuple(found))


def heard_in(observations: Iterable[Observation], others: Iterable[Recorded]) -> dict[str, SourceState]:
    """What these events say of feeds. Raises `Permanent` (`malformed_event`)."""
    heard: dict[str, datetime] = {}
    for item in observations:
        if (known := heard.get(item.feed)) is None or item.order[0] > known:
            heard[item.feed] = item.order[0]
    judged: dict[str, tuple[int, tuple[Doubt, ...]]] = {}
    for recorded in others:
        kind, event_id, data = recorded.content
        try:
            if kind in _AS_OF:
                heard[data["feed"]] = max(heard.get(data["feed"], NEVER), parse_instant(data["as_of"]))
            elif kind == SourceJudged.TYPE and recorded.position > judged.get(data["feed"], (-1, ()))[0]:
                judged[data["feed"]] = (recorded.position, tuple(SourceJudged.of(recorded.event).doubts))
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent("malformed_event", f"event {event_id} says nothing of a source: {error!r}") from error
    found = {}
    for feed in sorted({*heard, *judged}):
        position, doubts = judged.get(feed, (-1, ()))
        found[feed] = SourceState(feed, heard.get(feed, NEVER), doubts, position)
    return found


class Sources:
    """The table `sources` of one store. Used by `EntityStore` alone, which holds the lock."""

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with."""
        self._table = f"{tables}sources"

    async def follow(self, conn: Any, said: Mapping[str, SourceState]) -> None:
        """Take in what events said of feeds."""
        if not said:
            return
        states = list(said.values())
        await conn.execute(
            f"INSERT INTO {self._table} AS s (feed, heard, doubts, judged) "  # noqa: S608
            "SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[]) "
            "ON CONFLICT (feed) DO UPDATE SET heard = greatest(s.heard, excluded.heard), "
            "doubts = CASE WHEN excluded.judged > s.judged THEN excluded.doubts ELSE s.doubts END, "
            "judged = greatest(s.judged, excluded.judged) "
            "WHERE excluded.heard > s.heard OR excluded.judged > s.judged",
            [state.feed for state in states],
            [state.heard for state in states],
            [orjson.dumps([doubt.model_dump(mode="json") for doubt in state.doubts]).decode() for state in states],
            [state.judged for state in states],
        )

    async def read(self, conn: Any) -> dict[str, SourceState]:
        """Every feed that ever said anything."""
        rows = await conn.fetch(f"SELECT feed, heard, doubts, judged FROM {self._table} ORDER BY feed")  # noqa: S608
        return {
            row[0]: SourceState(row[0], row[1], tuple(map(Doubt.model_validate, orjson.loads(row[2]))), row[3])
            for row in rows
        }


class Limits:
    """From when on what was reported of a type can't be relied on, for one catalogue and one state of the feeds."""

    def __init__(self, catalogue: Catalogue, states: Mapping[str, SourceState]) -> None:
        self._catalogue, self._states = catalogue, states
        self._known: dict[tuple[str, str], Limit | None] = {}
        self._related: dict[str, dict[str, Limit]] = {}

    def of(self, feed: str, entity_type: str) -> Limit | None:
        key = (feed, entity_type)
        if key not in self._known:
            declared = self._catalogue.sources.get(feed)
            self._known[key] = limit_of(self._states.get(feed), declared, feed, entity_type)
        return self._known[key]

    def related(self, reader: str) -> dict[str, Limit]:
        """By relation of the entity type `reader`: until when what is found, and that nothing is, can be relied on.
        A relation whose condition reads another can be relied on no longer than that one."""
        if reader in self._related:
            return self._related[reader]
        found = self._related[reader] = {}
        for item in self._catalogue.relations[reader]:
            other = self._catalogue.entity_types.get(item.relation.other)
            own = self.of(other.source, item.relation.other) if other is not None else None
            limits = [own, *(found.get(name) for name in item.follows)]
            if (limit := min((one for one in limits if one is not None), default=None)) is not None:
                found[item.name] = limit
        return found
