"""Which entities name which others: the index behind `related`.

A far entity is found by what it has in `through`; where a relation joins `as` an attribute of the reader's own, the
reader is found by what it has in that.

What links to what is declared (`related: {retest: {latest: retest, through: finding}}`), so the index is of one set
of declarations and rebuilt when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.canonical import digest
from common.declarations.catalogue import Catalogue, Join
from common.declarations.models import EntityType
from common.declarations.reading import Reader
from common.declarations.relations import keys_named
from common.entities.rows import Ref

Row = Mapping[str, Any] | None


def named(reader: Reader, through: Iterable[str], row: Row) -> dict[str, tuple[str, ...]]:
    """By attribute: the keys that a row names in it, each once. A withdrawn entity (no row) names none."""
    if row is None:
        return {}
    values = dict(reader.read(row).values)
    return {name: keys_named(values, name) for name in through}


def link_reader(spec: EntityType, through: Iterable[str]) -> Reader:
    """Reads what a row names, and no more where nothing else decides whether the row counts."""
    if spec.checks:
        return Reader(spec)
    wanted = set(through)
    only = {name: attribute for name, attribute in spec.attributes.items() if name in wanted}
    return Reader(spec.model_copy(update={"attributes": only}))


class Links:
    """The table `entity_links` of one store. Used by `EntityStore` alone, which holds the lock."""

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with."""
        self._table = f"{tables}entity_links"
        self._catalogue: Catalogue | None = None
        self._joins: dict[str, tuple[Join, ...]] = {}
        self._prepared: dict[str, Reader] = {}
        self.wanted: dict[str, tuple[str, ...]] = {}
        """By entity type: its attributes by which a relation joins."""
        self.version = ""
        """A digest over what the links depend on."""

    def use(self, catalogue: Catalogue) -> None:
        """From here on links are those of `catalogue`."""
        if catalogue is self._catalogue:
            return
        wanted: dict[str, tuple[str, ...]] = {}
        for join in catalogue.joins():
            for entity_type, name in ((join.other, join.through), (join.reader, join.own)):
                spec = catalogue.entity_types.get(entity_type)
                if spec is not None and name in spec.attributes:
                    wanted[entity_type] = tuple(sorted({*wanted.get(entity_type, ()), name}))
        self._catalogue = catalogue
        self._prepared = {other: link_reader(catalogue.entity_types[other], names) for other, names in wanted.items()}
        self._joins = {other: catalogue.joins_from(other) for other in wanted}
        self.wanted = dict(sorted(wanted.items()))
        self.version = digest(
            [
                [other, list(names), catalogue.documents["EntityType", other].digest]
                for other, names in self.wanted.items()
            ]
        )

    async def follow(self, conn: Any, changed: Sequence[Ref], rows: Mapping[Ref, Row]) -> dict[Ref, set[Ref]]:
        """Update the links of `rows` (those observed anew) and say, for each changed entity, whom it named before
        or names now: their relations may have changed with it."""
        concerned = [ref for ref in changed if ref[0] in self.wanted]
        if not concerned:
            return {}
        named_by: dict[tuple[str, str, str], set[Ref]] = {}
        before = await conn.fetch(
            f"SELECT l.entity_type, l.through, l.target, l.key FROM unnest($1::text[], $2::text[]) AS u (t, k) "  # noqa: S608
            f"JOIN {self._table} l ON l.entity_type = u.t AND l.key = u.k",
            [ref[0] for ref in concerned],
            [ref[1] for ref in concerned],
        )
        now = await self.write(conn, {ref: rows[ref] for ref in concerned if ref in rows})
        for entity_type, through, target, key in [*before, *now]:
            named_by.setdefault((entity_type, through, target), set()).add((entity_type, key))
        readers = await self._readers(conn, named_by)
        found: dict[Ref, set[Ref]] = {}
        for link, changed_refs in named_by.items():
            for ref in changed_refs if link in readers else ():
                found.setdefault(ref, set()).update(readers[link])
        return found

    async def _readers(
        self, conn: Any, named_by: Iterable[tuple[str, str, str]]
    ) -> dict[tuple[str, str, str], set[Ref]]:
        """By (far type, attribute, what it names): the entities whose relations find it by that."""
        found: dict[tuple[str, str, str], set[Ref]] = {}
        asked: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {}
        for link in named_by:
            other, through, target = link
            for join in self._joins[other]:
                if join.through == through and join.own is None:
                    found.setdefault(link, set()).add((join.reader, target))
                elif join.through == through and join.own is not None:
                    asked.setdefault((join.reader, join.own, target), set()).add(link)
        if not asked:
            return found
        rows = await conn.fetch(
            f"SELECT l.entity_type, l.through, l.target, l.key FROM unnest($1::text[], $2::text[], $3::text[]) "  # noqa: S608
            f"AS u (t, a, n) JOIN {self._table} l ON l.entity_type = u.t AND l.through = u.a AND l.target = u.n",
            *([link[column] for link in asked] for column in range(3)),
        )
        for entity_type, own, target, key in rows:
            for link in asked[entity_type, own, target]:
                found.setdefault(link, set()).add((entity_type, key))
        return found

    async def write(self, conn: Any, rows: Mapping[Ref, Row]) -> list[tuple[str, str, str, str]]:
        """Replace the links of these entities; returns the new ones (far type, attribute, named key, key)."""
        if not rows:
            return []
        links = sorted(
            (entity_type, through, target, key)
            for (entity_type, key), row in rows.items()
            for through, targets in named(self._prepared[entity_type], self.wanted[entity_type], row).items()
            for target in targets
        )
        await conn.execute(
            f"DELETE FROM {self._table} l USING unnest($1::text[], $2::text[]) AS u (t, k) "  # noqa: S608
            "WHERE l.entity_type = u.t AND l.key = u.k",
            [ref[0] for ref in rows],
            [ref[1] for ref in rows],
        )
        await conn.execute(
            f"INSERT INTO {self._table} (entity_type, through, target, key) "  # noqa: S608
            "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])",
            *([link[column] for link in links] for column in range(4)),
        )
        return links

    async def clear(self, conn: Any) -> None:
        await conn.execute(f"DELETE FROM {self._table}")  # noqa: S608
