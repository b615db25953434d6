"""The ledger, as the auditor reads and writes it; and its own reading of the observations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import evaluate
from common.declarations.objectives import CompiledObjective
from common.entities import EntityStore, Following, Ref
from common.errors import Permanent
from common.events.envelope import Event
from common.events.observer import EntityObserved
from common.ids import REALM_STREAM
from common.ledger import AppendRefused, Connection, Ledger, NewEvent, Recorded, append
from common.objectives.contributing import Contribution, contribution
from common.service_keys import ServiceKey
from common.topics import SERVICES

from auditor.ports import Known

_PAGE = 10_000
_PEOPLED = 1_000


class LedgerRecords:
    """See `ports.Records`. `key` is the auditor's own, as it is now."""

    def __init__(self, ledger: Ledger, key: Callable[[], ServiceKey]) -> None:
        self._ledger = ledger
        self._key = key

    async def cases(self, conn: Connection, case_ids: Iterable[str]) -> dict[str, list[Recorded]]:
        return await histories(conn, case_ids)

    async def events(self, conn: Connection, ids: Iterable[str]) -> list[Recorded]:
        wanted = sorted(set(ids))
        if not wanted:
            return []
        return await self._ledger.by_ids(conn, [(service, event_id) for service in SERVICES for event_id in wanted])

    async def happened(self, conn: Connection, streams: Iterable[str], before: int, most: int) -> list[Recorded]:
        rows = await conn.fetch(
            "SELECT e.position, e.event FROM unnest($1::text[]) AS s (stream) CROSS JOIN LATERAL ("
            "SELECT position, event FROM ledger.events WHERE stream = s.stream AND position < $2 AND type = $3 "
            "ORDER BY version LIMIT $4) e",
            list(streams),
            before,
            EntityObserved.TYPE,
            most,
        )
        return [Recorded(row["position"], None, row["event"].encode()) for row in rows]

    async def declarations(self, conn: Connection) -> list[Recorded]:
        found: list[Recorded] = []
        while page := await self._ledger.read_category(
            conn, "declaration/", found[-1].position if found else -1, _PAGE
        ):
            found += page
        return found

    async def realm(self, conn: Connection) -> list[Recorded]:
        return (await self._ledger.read_stream(conn, REALM_STREAM))[:1]

    async def append(self, conn: Connection, requests: Sequence[Sequence[Event]]) -> None:
        new = [[self._signed(event) for event in events] for events in requests]
        for answer in await append(conn, new):
            if isinstance(answer, AppendRefused):
                raise answer.error()

    def _signed(self, event: Event) -> NewEvent:
        if event.streamversion is None:
            raise Permanent("malformed_event", f"{event.id} names no stream version, which the signature covers")
        return NewEvent(self._key().signed(event, event.streamversion), event.streamversion)


async def histories(conn: Connection, case_ids: Iterable[str]) -> dict[str, list[Recorded]]:
    """By case: all its events, in ledger order; cases without any are left out."""
    wanted = list(dict.fromkeys(case_ids))
    if not wanted:
        return {}
    rows = await conn.fetch(
        "SELECT case_id, position, event FROM ledger.events WHERE case_id = ANY ($1::text[]) ORDER BY position",
        wanted,
    )
    found: dict[str, list[Recorded]] = {}
    for row in rows:
        found.setdefault(row["case_id"], []).append(Recorded(row["position"], None, row["event"].encode()))
    return {case_id: found[case_id] for case_id in wanted if case_id in found}


class ReadEntities:
    """See `ports.Entities`. `store` lives in the auditor's schema."""

    def __init__(self, store: EntityStore, ledger: Ledger) -> None:
        self._store = store
        self._following = Following(store, ledger)

    async def lock(self, conn: Connection) -> None:
        await self._store.lock(conn)

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> set[Ref]:
        return set(await self._following.changes(conn, catalogue))

    async def contributions(
        self,
        conn: Connection,
        catalogue: Catalogue,
        desired_state: str,
        objectives: Mapping[str, CompiledObjective],
        asof: datetime,
    ) -> dict[str, list[Contribution]]:
        state = catalogue.compiled(desired_state)
        found: dict[str, list[Contribution]] = {name: [] for name in objectives}
        after = ""
        while refs := await self._store.keys(conn, state.spec.selector.entity, after, _PEOPLED):
            views = await self._store.views(conn, catalogue, refs)
            for evaluation in (evaluate(state, view, asof) for view in views.values()):
                for name, objective in objectives.items():
                    part = contribution(objective, state, evaluation)
                    found[name] += [part] if part is not None else []
            after = refs[-1][1]
        return found

    async def known(self, conn: Connection, catalogue: Catalogue, ref: Ref) -> Known:
        views = await self._store.views(conn, catalogue, [ref])
        stored = await self._store.read(conn, [ref])
        return Known(views.get(ref), stored.get(ref))
