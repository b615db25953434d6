"""The entity store of one service, in PostgreSQL, in the service's own schema.

All writers of one store take turns (an advisory lock until their transaction ends): who evaluates what changed sees
everything that was applied before, also when an entity and one it relates to change at the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.declarations.reading import Opener
from common.declarations.relations import Candidate, targets, with_relations
from common.entities import case_events, links, snapshots, sources, staging
from common.entities.rows import (
    NEVER,
    NO_SEQUENCE,
    Observation,
    Ref,
    StoredEntity,
    columns_of,
    entity_of,
    newest,
    newest_of,
    read_erasure,
    read_report,
    seen_as_of,
    told_apart,
)
from common.entities.sources import Limits, SourceState
from common.entities.views import candidate_of, opener_of, view_of
from common.ledger import Connection, Recorded
from common.subject_keys import SubjectKeys

READ_LIMIT = 2_000
TURN_S = 240.0
"""How long to wait for the turn: whoever has it may be taking in all that was observed since the beginning, and the
bus gives up on who takes nothing for five minutes."""
Seen: TypeAlias = tuple[datetime, datetime | None]
"""`as_of` and `missing` of a `StoredEntity`."""
Link: TypeAlias = tuple[str, str, str]
"""(entity type, attribute, what it has there)."""
_ROW = (
    "e.entity_type, e.key, e.row, e.feed, e.source_time, e.event_id, e.position, e.as_of, c.as_of AS missing, "
    "e.withdrawn"
)
_GIVEN = (
    "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[], "
    "$8::bigint[]) AS u (t, k, r, f, at, s, i, p)"
)


class EntityStore:
    """`schema` is the service's name and trusted: it becomes part of statements. Without `subject_keys` sensitive
    attributes are Unknown. With `prefix` the store is another, in tables whose names begin so (a rebuild), with turns
    of its own.

    Every method works in the caller's transaction. Applying is idempotent, and independent of order: a store holds
    the same after the same events in any order, however often each came.
    """

    def __init__(self, schema: str, subject_keys: SubjectKeys | None = None, prefix: str = "") -> None:
        self._subject_keys = subject_keys
        self._tables = f"{schema}.{prefix}"
        name = f"entities {schema}" + (f" {prefix}" if prefix else "")
        self._lock = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        self._links = links.Links(self._tables)
        self._snapshots = snapshots.Snapshots(self._tables)
        self._events = case_events.CaseEvents(self._tables)
        self._sources = sources.Sources(self._tables)
        self.staging = staging.Staging(self._tables)

    async def lock(self, conn: Connection) -> None:
        """Take this store's turn until the transaction ends. `apply` does so itself; so must whoever decides from
        the store without applying anything (a timer), if decisions may not miss each other."""
        await conn.execute("SELECT pg_advisory_xact_lock($1)", self._lock, timeout=TURN_S)

    async def begin(self, conn: Connection) -> None:
        """Make tables that are new those of an empty store, to be filled; a store that is begun stays as it is."""
        await conn.execute(
            f"INSERT INTO {self._tables}entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING"  # noqa: S608
        )

    async def apply(
        self,
        conn: Connection,
        recorded: Sequence[Recorded],
        catalogue: Catalogue,
        stored: dict[Ref, StoredEntity] | None = None,
    ) -> dict[Ref, Recorded]:
        """Take in observations, withdrawals, snapshot reports and erasures; other events are passed over.

        Returns the entities of which something may be known now that was not before, in a stable order, each with
        the event that did it (the last one in ledger order): those observed, cases with another event (old or new),
        those named by a snapshot or missing from a complete one, and those that a changed entity named or names
        through a relation of `catalogue`. Of what is no case an observation that is not the newest changes nothing
        and is not in the result. `stored` is given what `read` would say now of those written. Raises `Permanent`
        (`malformed_event`).
        """
        observations, others = told_apart(recorded)
        reports = [report for report in map(read_report, others) if report is not None]
        await self.lock(conn)
        await self._relink(conn, catalogue)
        await self._sources.follow(conn, sources.heard_in(observations, others))
        # Nothing of an erased entity's row has changed, and what can be read of it has.
        erased = [(read_erasure(item), item) for item in others]
        changed: dict[Ref, Recorded] = {ref: item for ref, item in erased if ref is not None}
        best = newest(observations)
        for item in await self._events.add(conn, observations, catalogue.logs):
            later(changed, item.ref, item.recorded)
        written = await self._observe(conn, [best[ref] for ref in sorted(best)])
        for ref in written:
            later(changed, ref, best[ref].recorded)
        if stored is not None and not reports:  # which say more of some of them
            stored |= {ref: newest_of(best[ref], *seen) for ref, seen in written.items()}
        if reports:
            seen = seen_as_of(reports)
            for ref in await self._see(conn, [(ref, seen[ref].feed, seen[ref].as_of) for ref in sorted(seen)]):
                later(changed, ref, seen[ref].recorded)
            for report in reports:
                for ref in await self._snapshots.record(conn, report):
                    later(changed, ref, report.recorded)
        if self._links.wanted:
            linking = [ref for ref in changed if ref in best and ref[0] in self._links.wanted]
            rows: dict[Ref, links.Row] = {ref: best[ref].row for ref in linking}
            rows |= await self._case_rows(conn, linking, catalogue)
            for ref, parents in (await self._links.follow(conn, list(changed), rows)).items():
                for parent in parents:
                    later(changed, parent, changed[ref])
        return {ref: changed[ref] for ref in sorted(changed)}

    async def fill(
        self, conn: Connection, recorded: Sequence[Recorded], catalogue: Catalogue, slot: int | None = None
    ) -> None:
        """As `apply`, for many events at once and without saying what has changed: for `recorded`, and for the
        observations that wait in `slot` of `staging`."""
        observations, others = told_apart(recorded)
        await self.lock(conn)
        await self._relink(conn, catalogue)
        linked = list(self._links.wanted)
        rows: dict[Ref, links.Row] = {}
        cases: set[Ref] = set()
        if slot is not None:
            cases.update(await self.staging.events(conn, slot, list(catalogue.logs), linked))
            rows |= await self.staging.newest(conn, slot, linked)
            await self._sources.follow(conn, await self.staging.heard(conn, slot))
        best = newest(observations)
        cases.update(item.ref for item in await self._events.add(conn, observations, catalogue.logs))
        taken = await self._observe(conn, [best[ref] for ref in sorted(best)])
        rows |= {ref: best[ref].row for ref in taken if ref[0] in self._links.wanted}
        named = [ref for ref in {*rows, *cases} if ref[0] in self._links.wanted]
        await self._links.write(conn, rows | await self._case_rows(conn, named, catalogue))
        reports = [report for report in map(read_report, others) if report is not None]
        if reports:
            seen = seen_as_of(reports)
            await self._see(conn, [(ref, seen[ref].feed, seen[ref].as_of) for ref in sorted(seen)])
        for report in reports:
            await self._snapshots.record(conn, report)
        await self._sources.follow(conn, sources.heard_in(observations, others))

    async def sources(self, conn: Connection) -> dict[str, SourceState]:
        """What is known of each feed that ever said anything."""
        return await self._sources.read(conn)

    async def _case_rows(self, conn: Connection, refs: Iterable[Ref], catalogue: Catalogue) -> dict[Ref, links.Row]:
        """Of the cases among `refs` what all of their events come to; None for those that are withdrawn."""
        stored = await self.read(conn, [ref for ref in refs if ref[0] in catalogue.logs])
        return await self._events.rows(conn, stored)

    async def _observe(self, conn: Connection, items: Sequence[Observation]) -> dict[Ref, Seen]:
        """Write the observations that are newer than what is stored; says which were, and what is known of each now
        beside the observation."""
        if not items:
            return {}
        written = staging.observe(self._tables, _GIVEN)
        said = f"{written} RETURNING e.entity_type, e.key, e.as_of, ({self._snapshots.missing})"
        rows = await conn.fetch(said, *zip(*map(columns_of, items), strict=True))
        return {(entity_type, key): (as_of, missing) for entity_type, key, as_of, missing in rows}

    async def _see(self, conn: Connection, items: Sequence[tuple[Ref, str, object]]) -> list[Ref]:
        """Move `as_of` forward for what a snapshot names; a name of which no row has arrived yet is remembered."""
        rows = await conn.fetch(
            f"""
            INSERT INTO {self._tables}entities AS e
                (entity_type, key, feed, source_time, sequence, event_id, position, as_of, withdrawn)
            SELECT t, k, f, $5, $6, '', -1, at, false
            FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS u (t, k, f, at)
            ON CONFLICT (entity_type, key) DO UPDATE SET as_of = excluded.as_of WHERE excluded.as_of > e.as_of
            RETURNING e.entity_type, e.key, e.row IS NOT NULL
            """,  # noqa: S608
            [ref[0] for ref, _, _ in items],
            [ref[1] for ref, _, _ in items],
            [feed for _, feed, _ in items],
            [as_of for _, _, as_of in items],
            NEVER,
            NO_SEQUENCE,
        )
        return [(row[0], row[1]) for row in rows if row[2]]

    async def read(self, conn: Connection, refs: Iterable[Ref]) -> dict[Ref, StoredEntity]:
        """What is stored of `refs`: withdrawn ones too (with an empty row), never observed ones not."""
        wanted = list(dict.fromkeys(refs))
        if not wanted:
            return {}
        rows = await conn.fetch(
            # OFFSET: for a thousand of them the server would read all that is stored.
            f"SELECT {_ROW} FROM unnest($1::text[], $2::text[]) AS u (t, k) CROSS JOIN LATERAL ("  # noqa: S608
            f"SELECT * FROM {self._tables}entities WHERE entity_type = u.t AND key = u.k OFFSET 0) e "
            f"{self._snapshots.join} WHERE e.row IS NOT NULL OR e.withdrawn",
            [ref[0] for ref in wanted],
            [ref[1] for ref in wanted],
        )
        return {entity.ref: entity for entity in map(entity_of, rows)}

    async def page(
        self, conn: Connection, entity_type: str, after: str = "", limit: int = READ_LIMIT
    ) -> dict[Ref, StoredEntity]:
        """The next entities of a type by key, as `keys`, with what is stored of them."""
        rows = await conn.fetch(
            f"SELECT {_ROW} FROM {self._tables}entities e {self._snapshots.join} "  # noqa: S608
            "WHERE e.entity_type = $1 AND e.key > $2 AND (e.row IS NOT NULL OR e.withdrawn) ORDER BY e.key LIMIT $3",
            entity_type,
            after,
            limit,
        )
        return {entity.ref: entity for entity in map(entity_of, rows)}

    async def rows(
        self, conn: Connection, entity_type: str, after: str = "", limit: int = READ_LIMIT
    ) -> list[tuple[str, str]]:
        """The next entities of a type by key that are not withdrawn: key, and the newest row as JSON, sealed as it
        is."""
        rows = await conn.fetch(
            f"SELECT key, row FROM {self._tables}entities "  # noqa: S608
            "WHERE entity_type = $1 AND key > $2 AND row IS NOT NULL AND NOT withdrawn ORDER BY key LIMIT $3",
            entity_type,
            after,
            limit,
        )
        return [(row[0], row[1]) for row in rows]

    async def views(
        self,
        conn: Connection,
        catalogue: Catalogue,
        refs: Iterable[Ref],
        known: Mapping[Ref, StoredEntity] | None = None,
    ) -> dict[Ref, EntityView]:
        """What rules read of `refs`, relations filled in, under the entity types of `catalogue`.

        Left out: withdrawn entities, those never observed, and those whose type is not active. Staleness is the
        evaluation's to apply: it depends on its instant. `known`: what is stored of some of them, if that was read in
        this transaction.
        """
        wanted, found = dict.fromkeys(refs), known or {}
        stored = {ref: found[ref] for ref in wanted if ref in found}
        stored |= await self.read(conn, [ref for ref in wanted if ref not in found])
        await self._events.fill_in(conn, stored, catalogue.logs)
        openers = await self._openers(stored, catalogue)
        views: dict[Ref, EntityView] = {}
        limits = Limits(catalogue, await self._sources.read(conn) if stored else {})
        for ref, entity in stored.items():
            spec = catalogue.entity_types.get(ref[0])
            if spec is not None and not entity.withdrawn:
                views[ref] = view_of(
                    spec, catalogue.readers[ref[0]], entity, openers.get(ref), limits.of(entity.feed, ref[0])
                )
        joined = {ref: catalogue.relations[ref[0]] for ref in views if catalogue.entity_types[ref[0]].related}
        if not joined:
            return views
        await self._relink(conn, catalogue)
        named = {
            (ref, item.name): [
                (item.relation.other, item.relation.through, target)
                for target in targets(item.relation, ref[1], views[ref].values)
            ]
            for ref, relations in joined.items()
            for item in relations
        }
        far = await self._far_ends(conn, catalogue, {link for links in named.values() for link in links})
        for ref, relations in joined.items():
            candidates = {
                item.name: {one.key: one for link in named[ref, item.name] for one in far.get(link, ())}.values()
                for item in relations
            }
            views[ref] = replace(with_relations(views[ref], relations, candidates), limits=limits.related(ref[0]))
        return views

    async def _openers(self, refs: Iterable[Ref], catalogue: Catalogue) -> dict[Ref, Opener]:
        """For each entity with sensitive columns what opens them, by the keys there are now."""
        types = catalogue.entity_types
        wanted = [ref for ref in dict.fromkeys(refs) if ref[0] in types and types[ref[0]].sensitive]
        if not wanted or self._subject_keys is None:
            return {}
        keys = await self._subject_keys.read(wanted)
        return {ref: opener_of(ref, keys) for ref in wanted}

    async def _far_ends(
        self, conn: Connection, catalogue: Catalogue, wanted: Iterable[Link]
    ) -> dict[Link, list[Candidate]]:
        """By (far type, attribute, what it names): the entities that name it and are still there."""
        asked = sorted(wanted)
        rows = await conn.fetch(
            f"SELECT {_ROW}, l.through, l.target "  # noqa: S608
            "FROM unnest($1::text[], $2::text[], $3::text[]) AS u (t, a, k) "
            f"JOIN {self._tables}entity_links l ON l.entity_type = u.t AND l.through = u.a AND l.target = u.k "
            f"JOIN {self._tables}entities e ON e.entity_type = l.entity_type AND e.key = l.key "
            f"{self._snapshots.join} WHERE NOT e.withdrawn AND e.row IS NOT NULL",
            *([link[column] for link in asked] for column in range(3)),
        )
        entities = {(str(row["entity_type"]), str(row["key"])): entity_of(row) for row in rows}
        await self._events.fill_in(conn, entities, catalogue.logs)
        openers = await self._openers(entities, catalogue)
        read = {
            ref: candidate_of(catalogue.entity_types[ref[0]], catalogue.readers[ref[0]], entity, openers.get(ref))
            for ref, entity in entities.items()
        }
        found: dict[Link, list[Candidate]] = {}
        for row in rows:
            link = (row["entity_type"], row["through"], row["target"])
            found.setdefault(link, []).append(read[row["entity_type"], row["key"]])
        return found

    async def keys(self, conn: Connection, entity_type: str, after: str = "", limit: int = READ_LIMIT) -> list[Ref]:
        """The next entities of a type by key, withdrawn ones included; `after` is the last key read."""
        rows = await conn.fetch(
            f"SELECT key FROM {self._tables}entities WHERE entity_type = $1 AND key > $2 "  # noqa: S608
            "AND (row IS NOT NULL OR withdrawn) ORDER BY key LIMIT $3",
            entity_type,
            after,
            limit,
        )
        return [(entity_type, row[0]) for row in rows]

    async def reached(self, conn: Connection) -> int:
        """The position up to which it was caught up; -1 when it never was."""
        position = await conn.fetchval(f"SELECT position FROM {self._tables}entity_progress")  # noqa: S608
        return -1 if position is None else int(position)

    async def mark(self, conn: Connection, position: int) -> None:
        """Write down up to which position it was caught up."""
        await conn.execute(
            f"UPDATE {self._tables}entity_progress SET position = $1",  # noqa: S608
            position,
        )

    async def _relink(self, conn: Connection, catalogue: Catalogue) -> None:
        """Make the links those of `catalogue`: rebuilt when a declaration changed what links to what."""
        self._links.use(catalogue)
        known = await conn.fetchval(f"SELECT links FROM {self._tables}entity_progress")  # noqa: S608
        if known == self._links.version:
            return
        await self.lock(conn)
        await self._links.clear(conn)
        for entity_type in self._links.wanted:
            after = ""
            while refs := await self.keys(conn, entity_type, after):
                stored = await self.read(conn, refs)
                rows = {ref: None if entity.withdrawn else entity.row for ref, entity in stored.items()}
                await self._links.write(conn, rows | await self._case_rows(conn, stored, catalogue))
                after = refs[-1][1]
        await conn.execute(
            f"UPDATE {self._tables}entity_progress SET links = $1",  # noqa: S608
            self._links.version,
        )


def later(changed: dict[Ref, Recorded], ref: Ref, recorded: Recorded) -> None:
    """Note `recorded` as what changed `ref`, unless a later event did."""
    known = changed.get(ref)
    if known is None or recorded.position > known.position:
        changed[ref] = recorded
