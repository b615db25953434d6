"""The auditor's own tables: the line of each case, the documents, the timers of cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from common.clock import parse_instant
from common.entities import Ref
from common.events.envelope import Event
from common.ledger import Connection
from common.timers import Timer, Timers

from auditor.core.attestation import Attestation
from auditor.core.deciding import SOAK, WITHIN, Story, watched

_SAVE = """
    INSERT INTO auditor.{prefix}cases AS c (case_id, desired_state, entity_type, key, occurrence, severity, stage,
                                            rules, opened, changed, how, watched)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (case_id) DO UPDATE SET severity = excluded.severity, stage = excluded.stage, rules = excluded.rules,
        opened = excluded.opened, changed = excluded.changed, how = excluded.how, watched = excluded.watched
"""


def _line(story: Story, last: Event) -> tuple[object, ...]:
    case = story.case
    gap = case.gap
    assert gap is not None, "only cases with a gap have a line"
    return (
        case.id,
        gap.data.desired_state,
        gap.data.entity_type,
        gap.data.key,
        gap.data.occurrence,
        gap.data.severity,
        case.stage,
        [rule.name for rule in gap.data.rules],
        parse_instant(story.opened),
        parse_instant(last.asof),
        case.closed.data.how if case.closed else None,
        watched(case),
    )


class CaseTable:
    """See `ports.Cases`. With `prefix`: what it saves goes to the table whose name begins so (a rebuild)."""

    def __init__(self, prefix: str = "") -> None:
        self._save = _SAVE.format(prefix=prefix)

    async def save(self, conn: Connection, cases: Sequence[tuple[Story, Event]]) -> None:
        await conn.executemany(self._save, [_line(story, last) for story, last in cases])

    async def watched(self, conn: Connection, refs: Iterable[Ref]) -> list[str]:
        wanted = sorted(set(refs))
        if not wanted:
            return []
        rows = await conn.fetch(
            "SELECT case_id FROM auditor.cases c JOIN unnest($1::text[], $2::text[]) AS u (t, k) "
            "ON c.entity_type = u.t AND c.key = u.k WHERE c.watched ORDER BY case_id",
            [ref[0] for ref in wanted],
            [ref[1] for ref in wanted],
        )
        return [row["case_id"] for row in rows]

    async def all_watched(self, conn: Connection, after: str, limit: int) -> list[str]:
        rows = await conn.fetch(
            "SELECT case_id FROM auditor.cases WHERE watched AND case_id > $1 ORDER BY case_id LIMIT $2", after, limit
        )
        return [row["case_id"] for row in rows]


class AttestationTable:
    """See `ports.Attestations`."""

    async def keep(self, conn: Connection, document: Attestation, how: str, raw: bytes) -> None:
        await conn.execute(
            "INSERT INTO auditor.attestations (case_id, digest, issued, how, simulated, document) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            document.case,
            document.digest,
            parse_instant(str(document.head["issued"])),
            how,
            document.head["simulated"],
            raw,
        )
        await conn.execute("UPDATE auditor.cases SET stage = 'attested' WHERE case_id = $1", document.case)


class TimedAlarms:
    """See `ports.Alarms`."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    async def set(self, conn: Connection, wanted: Mapping[str, Mapping[str, datetime]]) -> None:
        for name in (SOAK, WITHIN):
            await self._timers.clear_all(conn, [case for case, names in wanted.items() if name not in names], name)
        await self._timers.set(
            conn, [Timer(case, name, instant) for case, names in wanted.items() for name, instant in names.items()]
        )
