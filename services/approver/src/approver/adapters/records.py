"""Cases from the ledger, and appending to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from common.events import SIGNED
from common.ids import entity_stream
from common.ledger import AppendRefused, Connection, NewEvent, Recorded, append
from common.service_keys import ServiceKey


class LedgerRecords:
    """See `ports.Records`. `key` is the approver's own, as it is now."""

    def __init__(self, key: Callable[[], ServiceKey]) -> None:
        self._key = key

    async def cases(self, conn: Connection, cases: Sequence[str]) -> dict[str, list[Recorded]]:
        return await cases_of(conn, cases)

    async def erasures(self, conn: Connection) -> list[Recorded]:
        rows = await conn.fetch(
            "SELECT position, event FROM ledger.events WHERE (stream >= 'erased/' AND stream < 'erased0') "
            "OR (stream >= 'erasure/' AND stream < 'erasure0') ORDER BY position"
        )
        return [Recorded(row["position"], None, row["event"].encode()) for row in rows]

    async def observed(self, conn: Connection, ref: tuple[str, str]) -> bool:
        stream = entity_stream(*ref)
        return bool(await conn.fetchval("SELECT EXISTS (SELECT 1 FROM ledger.events WHERE stream = $1)", stream))

    async def append(self, conn: Connection, requests: Sequence[Sequence[NewEvent]]) -> list[list[int]]:
        positions = []
        signed = [[self._signed(new) for new in request] for request in requests]
        for answer in await append(conn, signed):
            if isinstance(answer, AppendRefused):
                raise answer.error()
            positions.append(list(answer.positions))
        return positions

    def _signed(self, new: NewEvent) -> NewEvent:
        """With the approver's signature, unless a person's decision is in it, which carries the person's."""
        if new.event.type not in SIGNED or new.expected_version is None:
            return new
        return NewEvent(self._key().signed(new.event, new.expected_version), new.expected_version)


async def cases_of(conn: Connection, cases: Sequence[str]) -> dict[str, list[Recorded]]:
    """See `ports.Records.cases`."""
    rows = await conn.fetch(
        "SELECT case_id, position, event FROM ledger.events WHERE case_id = ANY ($1::text[]) ORDER BY position",
        list(cases),
    )
    found: dict[str, list[Recorded]] = defaultdict(list)
    for row in rows:
        found[row["case_id"]].append(Recorded(row["position"], None, row["event"].encode()))
    return dict(found)
