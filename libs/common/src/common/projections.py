"""Rebuilding what a service keeps of the ledger: folded anew beside the live tables, compared, swapped in.

The shadow tables stand in the service's own schema and are filled while the service works. The end is one
transaction: it takes the turn that handlers take, locks the live tables, folds what came meanwhile, sees that the
service has handled all of it too, compares row by row, and renames. Until it commits the live tables stay as they
were.
"""

from __future__ import annotations

import asyncio
import gc
import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import orjson

from common.errors import Permanent, Refused, Transient
from common.failpoints import failpoint
from common.ledger import Connection, Ledger, Recorded
from common.ledger.progress import progress

SHADOW = "rebuilt_"
BATCH = 8_000
SLOTS = 3
"""Stretches of `BATCH` events under way at once: one is folded, the others are read, each by a connection."""
LISTED = 1_000
"""Differences that are listed; the others are counted."""
_TRIES = 40
_PAUSE_S = 0.25
_INDEX = re.compile(r"INDEX \S+ ON \S+ ")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a projection. `key` is its primary key; `json` are text columns that are compared as JSON.

    `kept` columns, and rows of which the condition `beyond` is true, are not in the ledger: they are taken over.
    """

    name: str
    key: tuple[str, ...]
    json: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    beyond: str | None = None


class Projection(Protocol):
    """What a service keeps of the ledger's events in tables of its schema."""

    schema: str
    tables: tuple[Table, ...]

    async def turn(self, conn: Connection) -> None:
        """Take the turn that the service's handlers take, in the caller's transaction."""
        ...

    async def begin(self, conn: Connection, slots: int) -> None:
        """The tables whose names begin with `SHADOW` are there and empty; up to `slots` stretches are staged at
        once. What is made for that is gone after `settle`; of a rebuild that was killed, after the next `begin`."""
        ...

    async def stage(self, conn: Connection, slot: int, after: int, until: int) -> list[Recorded]:
        """Read the events after `after` and up to `until`, outside of transactions. What the database can keep by
        itself waits in `slot`; the rest is returned, in ledger order, and folded."""
        ...

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        """Take `batch` (ledger order) into the tables whose names begin with `SHADOW`, in the caller's transaction.
        Of what came with a `slot`, what `stage` has kept may wait until `settle`.

        Idempotent. The service's handlers write the live tables by the same rules.
        """
        ...

    async def settle(self, conn: Connection) -> None:
        """All is staged, and the last of it may still be folded by another connection: from the end of both on the
        tables hold all of it."""
        ...

    async def level(self, conn: Connection, position: int) -> None:
        """Everything up to `position` was folded, the live tables are locked and about to be compared: what depends
        on more than single events is made the same in both."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not as the ledger says. `live` or `rebuilt` is None where there is no such row."""

    table: str
    key: tuple[Any, ...]
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it: folded up to `position`; the first `LISTED` differences, and how many there are of each table.

    `rows` are those of the rebuilt tables.
    """

    position: int
    rows: dict[str, int]
    differences: list[Difference]
    counts: dict[str, int]


class NotAtRest(Exception):
    """The service has yet to handle some of what was folded."""


async def rebuild(
    url: str, projection: Callable[[Ledger], Projection], tell: Callable[[int, int], None], *, swap: bool = True
) -> Rebuilt:
    """Rebuild a service's projection in the database at `url`, the address for its service's role.

    `tell` gets (position, head). Without `swap` the rebuilt tables are compared and dropped. Raises `Refused`:
    `rebuild_running`, `not_at_rest` (the service has not handled all that is in the ledger), `database_unreachable`,
    `database_refused`, and the code of whatever keeps an event from being folded; the live tables are then as they
    were.
    """
    async with AsyncExitStack() as stack:
        conn = await _connected(url, stack)
        readers = await asyncio.gather(*(_connected(url, stack) for _ in range(SLOTS)))
        gc.disable()  # a batch is thousands of objects without cycles: looking for some takes half of the time
        stack.callback(gc.enable)
        try:
            ledger = Ledger(conn)
            return await _Rebuild(conn, readers, ledger, projection(ledger), tell).run(swap)
        except (Permanent, Transient) as error:
            what = "The live tables are as they were. trueup ledger fsck says whether the ledger is sound."
            raise Refused(error.reason_code, f"The ledger can't be folded: {error.message}", what) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            what = "The live tables are as they were. See to what it says and run it again."
            raise Refused("database_refused", f"The rebuild was broken off: {error}", what) from error


async def _connected(url: str, stack: AsyncExitStack) -> Connection:
    # What is lost with the server is folded anew.
    settings = {"application_name": "rebuild", "synchronous_commit": "off"}
    try:
        conn: Connection = await asyncpg.connect(url, server_settings=settings)
    except (OSError, asyncpg.PostgresError) as error:
        what = "Start it, or check address and password."
        raise Refused("database_unreachable", f"The database does not answer: {error}", what) from error
    stack.callback(conn.terminate)
    return conn


class _Rebuild:
    """`readers` read ahead, outside the transactions of `conn`."""

    def __init__(
        self,
        conn: Connection,
        readers: Sequence[Connection],
        ledger: Ledger,
        projection: Projection,
        tell: Callable[[int, int], None],
    ) -> None:
        self._conn = conn
        self._readers = readers
        self._ledger = ledger
        self._projection = projection
        self._tell = tell
        self._position = -1

    async def run(self, swap: bool) -> Rebuilt:
        schema = self._projection.schema
        if not await self._conn.fetchval(
            "SELECT pg_try_advisory_lock(hashtext('trueup rebuild'), hashtext($1))", schema
        ):
            raise Refused("rebuild_running", f"Another rebuild of the {schema} is running.", "Let it end.")
        await self._create()
        await self._fold_all(await self._ledger.head(self._conn))
        failpoint("projections.folded")
        for _ in range(_TRIES):
            before = self._position
            try:
                async with self._conn.transaction():
                    return await self._finish(swap)
            except (NotAtRest, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                self._position = before  # what was folded since is undone with the transaction
                await asyncio.sleep(_PAUSE_S)
        await self._drop()
        raise Refused(
            "not_at_rest",
            f"The {schema} has not handled all that is in the ledger, so its tables can't be compared with it.",
            "Let all services run (`trueup status` shows what they lag behind) and try again at a quieter moment.",
        )

    def _shadow(self, table: Table) -> str:
        return f"{self._projection.schema}.{SHADOW}{table.name}"

    def _live(self, table: Table) -> str:
        return f"{self._projection.schema}.{table.name}"

    async def _drop(self) -> None:
        """Also what a rebuild that was killed has left."""
        shadows = ", ".join(self._shadow(table) for table in self._projection.tables)
        await self._conn.execute(f"DROP TABLE IF EXISTS {shadows}")

    async def _create(self) -> None:
        await self._drop()
        like = (
            f"{self._shadow(table)} (LIKE {self._live(table)} INCLUDING ALL)" for table in self._projection.tables
        )
        await self._conn.execute("; ".join(f"CREATE TABLE {table}" for table in like))
        await self._projection.begin(self._conn, SLOTS)

    async def _fold_all(self, head: int) -> None:
        """Fold up to `head`. While one stretch is folded, the next are staged; with the last one all is settled."""
        starts = range(-1, max(head, 0), BATCH)
        ahead: deque[asyncio.Task[list[Recorded]]] = deque()
        try:
            for number, after in enumerate(starts):
                for coming in range(number + len(ahead), min(number + SLOTS, len(starts))):
                    ahead.append(asyncio.create_task(self._stage(coming % SLOTS, starts[coming], head)))
                batch = await ahead.popleft()
                await asyncio.gather(self._fold(batch, number % SLOTS), *([] if ahead else [self._settle()]))
                self._position = min(after + BATCH, head)
                self._tell(self._position, head)
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _fold(self, batch: list[Recorded], slot: int) -> None:
        async with self._conn.transaction():
            await self._projection.fold(self._conn, batch, slot)

    async def _settle(self) -> None:
        async with self._readers[0].transaction():
            await self._projection.settle(self._readers[0])

    async def _stage(self, slot: int, after: int, head: int) -> list[Recorded]:
        return _read(await self._projection.stage(self._readers[slot], slot, after, min(after + BATCH, head)))

    async def _finish(self, swap: bool) -> Rebuilt:
        await self._conn.execute("SET LOCAL synchronous_commit TO on")
        await self._projection.turn(self._conn)
        live = ", ".join(self._live(table) for table in self._projection.tables)
        await self._conn.execute(f"LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE")
        while batch := _read(await self._ledger.read_after(self._conn, self._position, BATCH)):
            await self._projection.fold(self._conn, batch)
            self._position = batch[-1].position
        await self._expect_rest()
        await self._projection.level(self._conn, self._position)
        rows: dict[str, int] = {}
        counts: dict[str, int] = {}
        differences: list[Difference] = []
        for table in self._projection.tables:
            await self._take_over(table)
            found = await self._compare(table, LISTED - len(differences))
            differences += found[1]
            counts[table.name] = found[0]
            rows[table.name] = await self._conn.fetchval(f"SELECT count(*) FROM {self._shadow(table)}")  # noqa: S608
        for table in self._projection.tables:
            if swap:
                await self._swap(table)
            else:
                await self._conn.execute(f"DROP TABLE {self._shadow(table)}")
        failpoint("projections.swapped")
        return Rebuilt(self._position, rows, differences, counts)

    async def _expect_rest(self) -> None:
        """In one snapshot: nothing came after what was folded, and the service has handled all of it.

        More than a matter of comparing: tables that are ahead of what the service has handled would let it find
        nothing new in what it handles next.
        """
        now = await progress(self._conn)
        behind = any(now.lag[self._projection.schema].values()) or any(now.unrelayed.values())
        if now.head != self._position or behind:
            raise NotAtRest

    async def _take_over(self, table: Table) -> None:
        live, shadow = self._live(table), self._shadow(table)
        if table.beyond is not None:
            await self._conn.execute(
                f"INSERT INTO {shadow} SELECT * FROM {live} WHERE {table.beyond} ON CONFLICT DO NOTHING"  # noqa: S608
            )
        if table.kept:
            sets = ", ".join(f"{name} = l.{name}" for name in table.kept)
            same = " AND ".join(f"l.{name} = s.{name}" for name in table.key)
            await self._conn.execute(f"UPDATE {shadow} s SET {sets} FROM {live} l WHERE {same}")  # noqa: S608

    async def _compare(self, table: Table, most: int) -> tuple[int, list[Difference]]:
        same = " AND ".join(f"l.{name} = s.{name}" for name in table.key)
        both = f"FROM {self._live(table)} l FULL JOIN {self._shadow(table)} s ON {same}"
        # Rows of the same bytes need no reading of what is in them; mostly all are.
        columns = await self._columns(table)
        other = " OR ".join(f"l.{name} IS DISTINCT FROM s.{name}" for name in columns)
        if not await self._conn.fetchval(f"SELECT EXISTS (SELECT {both} WHERE {other})"):
            return 0, []
        differ = f"{both} WHERE CASE WHEN {other} THEN {_row('l', table)} IS DISTINCT FROM {_row('s', table)} END"
        count = await self._conn.fetchval(f"SELECT count(*) {differ}")
        if not count:
            return 0, []
        order = ", ".join(f"coalesce(l.{name}, s.{name})" for name in table.key)
        found = await self._conn.fetch(
            f"SELECT {_row('l', table)} AS live, {_row('s', table)} AS rebuilt {differ} ORDER BY {order} LIMIT $1",
            most,
        )
        return count, [_difference(table, row) for row in found]

    async def _columns(self, table: Table) -> list[str]:
        rows = await self._conn.fetch(
            "SELECT quote_ident(attname) FROM pg_catalog.pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            self._live(table),
        )
        return [row[0] for row in rows]

    async def _swap(self, table: Table) -> None:
        """The rebuilt table takes the live one's name, its indexes and keys those of the live one's."""
        live, shadow = self._live(table), self._shadow(table)
        old, new = await self._indexes(live), await self._indexes(shadow)
        await self._conn.execute(f"DROP TABLE {live}")
        await self._conn.execute(f"ALTER TABLE {shadow} RENAME TO {table.name}")
        for definition, name in new.items():
            if name != old[definition]:
                await self._conn.execute(f"ALTER INDEX {self._projection.schema}.{name} RENAME TO {old[definition]}")

    async def _indexes(self, table: str) -> dict[str, str]:
        """By definition: the names."""
        rows = await self._conn.fetch(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) || i.indisprimary FROM pg_catalog.pg_index i "
            "JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::text::regclass",
            table,
        )
        return {_INDEX.sub("INDEX ON ", definition): name for name, definition in rows}


def _read(batch: list[Recorded]) -> list[Recorded]:
    for recorded in batch:
        recorded.content  # noqa: B018 - it is read and kept now, while the database is at work
    return batch


def _row(alias: str, table: Table) -> str:
    """The row as jsonb, null where there is none."""
    plain = f"to_jsonb({alias})"
    for name in table.json:
        plain += f" || jsonb_build_object('{name}', {alias}.{name}::jsonb)"
    return f"CASE WHEN {alias}.{table.key[0]} IS NOT NULL THEN {plain} END"


def _difference(table: Table, row: Any) -> Difference:
    live, rebuilt = (None if row[side] is None else orjson.loads(row[side]) for side in ("live", "rebuilt"))
    there = live if live is not None else rebuilt
    if live is not None and rebuilt is not None:
        columns = [name for name in live if live[name] != rebuilt[name]]
        live, rebuilt = ({name: side[name] for name in columns} for side in (live, rebuilt))
    assert there is not None, "one of the two is there"
    return Difference(table.name, tuple(there[name] for name in table.key), live, rebuilt)
