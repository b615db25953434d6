"""What every entity contributes to the objectives, and which objectives must be measured again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from common.clock import instant, parse_instant
from common.declarations.evaluation import CompiledDesiredState
from common.events import Event, typed
from common.events.differ import ObjectiveSnapshot
from common.ledger import Connection
from common.objectives.blaming import Keyed
from common.objectives.contributing import NOBODY, Contribution, Passed, begin_of

from differ.adapters.tables import count_pending
from differ.core.measuring import Said
from differ.ports import Part

_COLUMNS = "surely, answer, at, dated, start, stop, stop_unknown, still"
# As `contributing.has_passed`; null where there is no window.
_WINDOWED = """
    FROM differ.contributions c JOIN unnest($2::text[], $3::boolean[], $4::timestamptz[]) AS w (name, timed, begins)
    ON c.objective = w.name WHERE c.desired_state = $1
    AND CASE WHEN w.timed THEN c.start IS NOT NULL AND c.stop IS NOT NULL AND c.stop <= w.begins
             ELSE c.at IS NOT NULL AND c.at <= w.begins END
"""
_COUNTING = f"SELECT c.objective, c.key, {_COLUMNS} {_WINDOWED} IS NOT TRUE"
_PASSED = (
    f"SELECT c.objective, count(*) FILTER (WHERE surely), count(*) FILTER (WHERE NOT surely) {_WINDOWED} IS TRUE "
    "GROUP BY 1"
)


class ObjectiveTable:
    """`differ.contributions` and `differ.measures`."""

    async def contribute(self, conn: Connection, parts: Sequence[Part]) -> set[str]:
        """Write down what these entities contribute now; returns the desired states of which something changed."""
        last = {(part.desired_state, part.objective, part.key): part for part in parts}
        there = [part for part in last.values() if part.contribution is not None]
        gone = [part for part in last.values() if part.contribution is None]
        rows = await conn.fetch(
            f"""
            WITH written AS (
                INSERT INTO differ.contributions AS c (desired_state, objective, key, {_COLUMNS})
                SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[],
                    $6::timestamptz[], $7::boolean[], $8::timestamptz[], $9::timestamptz[], $10::boolean[],
                    $14::text[])
                ON CONFLICT (desired_state, objective, key) DO UPDATE SET ({_COLUMNS}) =
                    (excluded.surely, excluded.answer, excluded.at, excluded.dated, excluded.start, excluded.stop,
                     excluded.stop_unknown, excluded.still)
                WHERE (c.surely, c.answer, c.at, c.dated, c.start, c.stop, c.stop_unknown, c.still) IS DISTINCT FROM
                    (excluded.surely, excluded.answer, excluded.at, excluded.dated, excluded.start, excluded.stop,
                     excluded.stop_unknown, excluded.still)
                RETURNING c.desired_state
            ), dropped AS (
                DELETE FROM differ.contributions c USING unnest($11::text[], $12::text[], $13::text[]) AS u (d, o, k)
                WHERE c.desired_state = u.d AND c.objective = u.o AND c.key = u.k RETURNING c.desired_state
            )
            SELECT DISTINCT desired_state FROM (TABLE written UNION ALL TABLE dropped) changed
            """,  # noqa: S608
            *([getattr(part, name) for part in there] for name in ("desired_state", "objective", "key")),
            *([getattr(part.contribution, name) for part in there] for name in _COLUMNS.split(", ")[:-1]),
            *([getattr(part, name) for part in gone] for name in ("desired_state", "objective", "key")),
            [_text(part.contribution.still) for part in there if part.contribution is not None],
        )
        return {row[0] for row in rows}

    async def keep(self, conn: Connection, desired_state: str, objectives: Iterable[str]) -> None:
        """Forget what was contributed to objectives that are no longer declared."""
        await conn.execute(
            "DELETE FROM differ.contributions WHERE desired_state = $1 AND objective <> ALL ($2::text[])",
            desired_state,
            list(objectives),
        )

    async def contributions(
        self, conn: Connection, state: CompiledDesiredState, asof: datetime
    ) -> dict[str, tuple[list[Keyed], Passed]]:
        """By objective: what everybody contributes, by key; without those (only how many) of whom nothing counts as
        of `asof`, because it lies before the window."""
        declared = (
            state.name,
            [one.name for one in state.objectives],
            [one.timespan is not None for one in state.objectives],
            [begin_of(one, asof, state.zone) for one in state.objectives],
        )
        found: dict[str, list[Keyed]] = {one.name: [] for one in state.objectives}
        for objective, key, *values, still in await conn.fetch(_COUNTING, *declared):
            found[objective].append((key, Contribution(*[*values, _instants(still)])))
        passed = {objective: Passed(*counts) for objective, *counts in await conn.fetch(_PASSED, *declared)}
        return {name: (every, passed.get(name, NOBODY)) for name, every in found.items()}

    async def mark(self, conn: Connection, desired_states: Iterable[str]) -> None:
        """These must be measured again."""
        rows = await conn.fetch(
            "INSERT INTO differ.measures (desired_state) SELECT unnest($1::text[]) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            sorted(desired_states),
        )
        if rows:
            await count_pending(conn)

    async def marked(self, conn: Connection) -> list[str]:
        """The desired states that must be measured again and are not under review."""
        rows = await conn.fetch(
            "SELECT desired_state FROM differ.measures m "
            "WHERE NOT EXISTS (SELECT FROM differ.reviews r WHERE r.desired_state = m.desired_state) ORDER BY 1"
        )
        return [row[0] for row in rows]

    async def done(self, conn: Connection, desired_states: Iterable[str]) -> None:
        """These are measured."""
        rows = await conn.fetch(
            "DELETE FROM differ.measures WHERE desired_state = ANY ($1::text[]) RETURNING 1", list(desired_states)
        )
        if rows:
            await count_pending(conn)

    async def said(self, conn: Connection, stream: str) -> Said | None:
        """What the ledger says last of the objective of a stream."""
        row = await conn.fetchrow(
            "SELECT event, version FROM ledger.events WHERE stream = $1 ORDER BY version DESC LIMIT 1",
            stream,
        )
        if row is None:
            return None
        event = Event.decode(row["event"].encode())
        data = typed(event)
        assert isinstance(data, ObjectiveSnapshot)
        return Said(data, event, row["version"])


def _text(still: Iterable[datetime]) -> str:
    """Instants as one text: a column has no list of lists."""
    return " ".join(map(instant, still))


def _instants(text: str) -> tuple[datetime, ...]:
    return tuple(map(parse_instant, text.split())) if text else ()
