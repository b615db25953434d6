"""Entities as they would read under declarations that are only proposed: nothing of the store is changed."""

from __future__ import annotations

from collections.abc import Iterable

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.declarations.relations import Candidate
from common.entities.links import named
from common.entities.rows import Ref
from common.entities.store import EntityStore, Link
from common.entities.views import candidate_of
from common.ledger import Connection
from common.subject_keys import SubjectKeys


class ProposedStore(EntityStore):
    """One catalogue's view of a store, for one read-only transaction. Where it links entities otherwise than the
    store does, who names whom is read from all rows concerned once, and kept in memory."""

    def __init__(self, schema: str, catalogue: Catalogue, subject_keys: SubjectKeys | None = None) -> None:
        super().__init__(schema, subject_keys)
        self._catalogue = catalogue
        self._named: dict[Link, set[Ref]] | None = None
        self._linked = False

    async def seen(self, conn: Connection, refs: Iterable[Ref]) -> dict[Ref, EntityView]:
        """`views` under its catalogue."""
        return await self.views(conn, self._catalogue, refs)

    async def _relink(self, conn: Connection, catalogue: Catalogue) -> None:
        if self._linked:
            return
        self._links.use(catalogue)
        known = await conn.fetchval(f"SELECT links FROM {self._tables}entity_progress")  # noqa: S608
        if known != self._links.version:
            self._named = await self._index(conn, catalogue)
        self._linked = True

    async def _index(self, conn: Connection, catalogue: Catalogue) -> dict[Link, set[Ref]]:
        found: dict[Link, set[Ref]] = {}
        for entity_type, through in self._links.wanted.items():
            after = ""
            while refs := await self.keys(conn, entity_type, after):
                for ref, entity in (await self.read(conn, refs)).items():
                    row = None if entity.withdrawn else entity.row
                    for name, keys in named(catalogue.readers[entity_type], through, row).items():
                        for key in keys:
                            found.setdefault((entity_type, name, key), set()).add(ref)
                after = refs[-1][1]
        return found

    async def _far_ends(
        self, conn: Connection, catalogue: Catalogue, wanted: Iterable[Link]
    ) -> dict[Link, list[Candidate]]:
        if self._named is None:
            return await super()._far_ends(conn, catalogue, wanted)
        links = list(wanted)
        refs = sorted({ref for link in links for ref in self._named.get(link, ())})
        stored = await self.read(conn, refs)
        openers = await self._openers(stored, catalogue)
        read = {
            ref: candidate_of(catalogue.entity_types[ref[0]], catalogue.readers[ref[0]], entity, openers.get(ref))
            for ref, entity in stored.items()
            if not entity.withdrawn
        }
        return {link: [read[ref] for ref in sorted(self._named.get(link, ())) if ref in read] for link in links}
