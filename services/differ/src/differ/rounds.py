"""Which entities of a population a part of a review looks at, and when those that it passes over have their turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from common.entities import EntityStore
from common.entities.rows import Ref, StoredEntity
from common.ledger import Connection
from common.timers import Timer, Timers

from differ.core.narrowing import Glances, Narrow, narrow
from differ.core.planning import Declared, was_otherwise
from differ.ports import Cases, Records, Review, Reviewed

REVIEW_BATCH = 1_000
"""How many entities are looked at in one transaction at most."""
GLANCE_BATCH = 5_000
"""How many are glanced at."""


@dataclass(frozen=True, slots=True)
class Round:
    """`refs` are to be looked at, `again` says when those between them are; `until` is the last key that is done,
    None when all are. `stored`: what is stored of some of `refs`, if that was read."""

    refs: list[Ref]
    until: str | None
    again: list[Timer] = field(default_factory=list)
    stored: Mapping[Ref, StoredEntity] | None = None


class Rounds:
    """Works in the caller's transaction, which has the store's turn."""

    def __init__(self, entities: EntityStore, cases: Cases, timers: Timers, records: Records) -> None:
        self._entities, self._cases, self._timers, self._records = entities, cases, timers, records
        self._narrow: tuple[object, Narrow | None] = (None, None)

    async def gone_and_back(
        self, conn: Connection, declared: Declared, known: Mapping[str, Reviewed], others: Sequence[str]
    ) -> list[str]:
        """Those whose version was another for a while since their populations were looked at."""
        found: list[str] = []
        for name in sorted(declared.states.keys() & known.keys() - set(others)):
            since = known[name].position
            if since is not None and since < declared.position:
                between = await self._records.catalogues(conn, since)
                found += [name] if was_otherwise(name, known[name].version, between) else []
        return found

    async def next(self, conn: Connection, declared: Declared, review: Review, asof: datetime) -> Round:
        """The next part of `review`, as of `asof`."""
        wanted = await self._narrowed(conn, declared, review)
        if wanted is None:
            page = await self._entities.page(conn, review.entity_type, review.after_key, REVIEW_BATCH)
            refs = list(page)
            return Round(refs, refs[-1][1] if len(refs) == REVIEW_BATCH else None, stored=page)
        return await (self._said if wanted.nothing else self._glanced)(conn, wanted, review, asof)

    async def _narrowed(self, conn: Connection, declared: Declared, review: Review) -> Narrow | None:
        if review.since is None or review.desired_state not in declared.states:
            return None
        key = (review.desired_state, review.since, declared.position)
        if self._narrow[0] != key:
            before = await self._records.catalogues(conn, review.since)
            self._narrow = (key, narrow(review.desired_state, declared.catalogue, before))
        return self._narrow[1]

    async def _said(self, conn: Connection, _: Narrow, review: Review, asof: datetime) -> Round:
        """No rule is new: those of which something was said."""
        keys, until = _cut(await self._loud(conn, review, None, asof), None)
        return Round([(review.entity_type, key) for key in keys], until)

    async def _glanced(self, conn: Connection, wanted: Narrow, review: Review, asof: datetime) -> Round:
        """Those of which something was said, and those that fail the new rules."""
        rows = await self._entities.rows(conn, review.entity_type, review.after_key, GLANCE_BATCH)
        until = rows[-1][0] if len(rows) == GLANCE_BATCH else None
        loud, glances = await self._loud(conn, review, until, asof), Glances(wanted, asof)
        again: list[tuple[str, datetime]] = []
        for key, row in rows:
            if key in loud:
                continue
            quiet = glances.at(orjson.loads(row))
            if quiet is None:
                loud.add(key)
            elif quiet.look_again is not None:
                again.append((key, quiet.look_again))
        keys, until = _cut(loud, until)
        name, of = review.desired_state, review.entity_type
        timers = [Timer(f"{of}/{key}", name, instant) for key, instant in again if until is None or key <= until]
        return Round([(of, key) for key in keys], until, timers)

    async def _loud(self, conn: Connection, review: Review, until: str | None, asof: datetime) -> set[str]:
        """After the review's key, up to `until`: of whom something was said, and whose timer is due and has not
        fired, so that what was decided of them stands no more. Of more than `_cut` leaves the first ones."""
        name, of, after = review.desired_state, review.entity_type, review.after_key
        limit = REVIEW_BATCH + 1
        found = set(await self._cases.said(conn, name, of, after, until, limit))
        upcoming = await self._timers.next(conn)
        if upcoming is not None and upcoming <= asof:
            found |= set(await self._timers.due_among(conn, name, f"{of}/", (after, until), asof, limit))
        return found


def _cut(keys: Iterable[str], until: str | None) -> tuple[list[str], str | None]:
    """As many as are looked at in one transaction, in order, and how far that is."""
    found = sorted(keys)
    return (found, until) if len(found) <= REVIEW_BATCH else (found[:REVIEW_BATCH], found[REVIEW_BATCH - 1])
