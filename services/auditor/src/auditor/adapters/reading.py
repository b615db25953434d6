"""What the API reads: the auditor's projections, and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.clock import instant
from common.events import typed
from common.ledger import Ledger, Recorded
from common.topics import SERVICES

from auditor.core.evidence import facts_cited
from auditor.ports import AttestationLine, CaseLine

MOST_CAUSES = 200


class StoredReading:
    """See `ports.Reading`. `pool` is asyncpg's, of the auditor's role."""

    def __init__(self, pool: Any, ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger

    async def cases(
        self, stage: str | None, desired_state: str | None, keys: Sequence[str] | None, after: str, limit: int
    ) -> tuple[list[CaseLine], int]:
        """At most `limit` cases after `after`, by id; and how many match in all."""
        where = (
            "($1::text IS NULL OR stage = $1) AND ($2::text IS NULL OR desired_state = $2) "
            "AND ($3::text[] IS NULL OR key = ANY ($3))"
        )
        rows = await self._pool.fetch(
            f"SELECT * FROM auditor.cases WHERE {where} AND case_id > $4 ORDER BY case_id LIMIT $5",  # noqa: S608
            stage,
            desired_state,
            keys,
            after,
            limit,
        )
        total = await self._pool.fetchval(
            f"SELECT count(*) FROM auditor.cases WHERE {where}",  # noqa: S608
            stage,
            desired_state,
            keys,
        )
        return [_case_line(row) for row in rows], total

    async def counts(self) -> tuple[dict[str, int], dict[str, str]]:
        """Cases by stage, and why closed ones have no attestation yet."""
        stages = await self._pool.fetch(
            "SELECT stage, count(*) AS n FROM auditor.cases GROUP BY stage ORDER BY stage"
        )
        waiting = await self._pool.fetch(
            "SELECT case_id, coalesce(parked, error, 'waiting') AS why FROM auditor.jobs"
        )
        return {row["stage"]: row["n"] for row in stages}, {row["case_id"]: row["why"] for row in waiting}

    async def case(self, case_id: str) -> list[Recorded]:
        """All events of a case, in ledger order."""
        return await self._ledger.read_case(self._pool, case_id)

    async def at(self, positions: list[int]) -> list[Recorded]:
        return await self._ledger.read_positions(self._pool, positions)

    async def by_id(self, event_id: str) -> Recorded | None:
        found = await self._by_ids([event_id])
        return found[0] if found else None

    async def _by_ids(self, ids: list[str]) -> list[Recorded]:
        pairs = [(service, event_id) for service in SERVICES for event_id in ids]
        return await self._ledger.by_ids(self._pool, pairs)

    async def causes(self, recorded: Recorded) -> tuple[list[Recorded], bool]:
        """From the event's cause to the root, and whether the root was reached."""
        found: list[Recorded] = []
        current = recorded
        while (cause := current.event.causationid) is not None:
            known = await self.by_id(cause)
            if known is None or known.position >= current.position or len(found) == MOST_CAUSES:
                return found, False
            found.append(known)
            current = known
        return found, True

    async def cited(self, recorded: Recorded) -> list[Recorded]:
        """The other events that this one's facts and reasons rest on."""
        ids = facts_cited([typed(recorded.event)]) - {recorded.event.id}
        return await self._by_ids(sorted(ids)) if ids else []

    async def objectives(self, at: datetime | None) -> list[Recorded]:
        """What was said last of each objective by `at` on the realm clock (None: ever), by stream."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT ON (stream) position, event FROM ledger.events "
            "WHERE stream >= 'objective/' AND stream < 'objective0' COLLATE \"C\" "
            "AND ($1::timestamptz IS NULL OR (event::json ->> 'asof')::timestamptz <= $1) "
            "ORDER BY stream, version DESC",
            at,
        )
        return [Recorded(row["position"], None, row["event"].encode()) for row in rows]

    async def attestations(self, after: str, limit: int) -> tuple[list[AttestationLine], int]:
        """At most `limit` attestations after the case `after`; and how many there are."""
        rows = await self._pool.fetch(
            "SELECT case_id, digest, issued, how, simulated, length(document) AS bytes FROM auditor.attestations "
            "WHERE case_id > $1 ORDER BY case_id LIMIT $2",
            after,
            limit,
        )
        total = await self._pool.fetchval("SELECT count(*) FROM auditor.attestations")
        lines = [
            AttestationLine(
                case=row["case_id"],
                digest=row["digest"],
                issued=instant(row["issued"]),
                how=row["how"],
                simulated=row["simulated"],
                bytes=row["bytes"],
            )
            for row in rows
        ]
        return lines, total

    async def document(self, case_id: str) -> tuple[str, bytes] | None:
        """(digest, the file byte for byte) of a case's attestation."""
        row = await self._pool.fetchrow(
            "SELECT digest, document FROM auditor.attestations WHERE case_id = $1", case_id
        )
        return None if row is None else (row["digest"], row["document"])


def _case_line(row: Any) -> CaseLine:
    fields = {name: row[name] for name in CaseLine.model_fields if name not in ("case", "opened", "changed")}
    return CaseLine(case=row["case_id"], opened=instant(row["opened"]), changed=instant(row["changed"]), **fields)
