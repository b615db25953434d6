"""How late a deadline fires with a million timers pending, and how fast those fire that came due while the differ was
down: the differ's real handlers and tables on real PostgreSQL, in a realm that lives by the wall clock.

Late is from the deadline's instant until the transaction that opened its case is committed and the next one begins.
Reference in the same run: how late `asyncio.sleep` wakes this process for the same instants, nothing else to do. Each
deadline after downtime has an instant of its own; reference: transactions of one changed row, one after another, the
least that firing instant by instant would need.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Any

import asyncpg
import orjson
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.declarations.loader import load
from common.events import Origin, new_event
from common.events.approver import RealmCreated
from common.ids import REALM_STREAM
from common.ledger import Appended, Ledger, NewEvent
from common.timers import Timers, WallTimers
from differ.handlers import Differ
from differ.main import assemble

from bench.declaring import declare
from bench.realms import fresh_folder, fresh_realm

PENDING = 1_000_000
OVERDUE = 20_000
AHEAD, SPAN_S = 400, 8.0
SETTLE_S = 2.0
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: request}
spec:
  about: A request that is to be answered.
  source: bench
  key: id
  freshFor: 400 days
  attributes:
    answered: {from: answered, read: {"Y": true, "N": false}}
    # An instant: no two are due at once.
    due:      {from: due, read: "yyyy-MM-dd'T'HH:mm:ssXXX"}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: requests-answered}
spec:
  statement: Every request is answered.
  basis: Bench
  owner: nobody
  effective: 2023-01-01
  timezone: UTC
  selector: {entity: request}
  done: answered
  severity: {medium: otherwise}
  deadlines:
    - {name: in-time, expect: answered, by: due, says: "It was due on {due}."}
  verification: {proof: done, soak: 1 day, within: 9 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: requests-approvals}
spec:
  covers: requests-answered
  confirmGap: {head: 1}
  approvePlan:
    - {when: risk == 'low' || risk == 'medium' || risk == 'high', roles: {head: 1}}
  releaseStep: {head: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 business days
"""


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    with fresh_folder() as folder, fresh_realm(folder) as realm:
        return asyncio.run(_measure(realm))


async def _measure(realm: Realm) -> list[dict[str, Any]]:
    async with asyncpg.create_pool(realm.url("differ"), min_size=1, max_size=3) as pool:
        await _create(realm)
        differ = assemble(Ledger(pool), wall_now)
        loaded = load(PAGE, "bench.yaml")
        assert not loaded.problems, loaded.problems
        await declare(realm.url("approver"), realm.name, loaded.documents, instant(wall_now()))
        await _reviewed(pool, differ)
        await _pending(pool)
        down = wall_now() - timedelta(hours=1)
        await _requests(pool, "down", [down + timedelta(milliseconds=number) for number in range(OVERDUE)])
        rate = await _after_downtime(pool, differ)
        commits = await _commits(pool)
        begin = wall_now() + timedelta(seconds=SETTLE_S)
        instants = [begin + timedelta(seconds=SPAN_S * number / AHEAD) for number in range(AHEAD)]
        await _requests(pool, "ahead", instants)
        ours = await _lateness(pool, differ, instants)
        slept = await _sleeping()
    return [
        _result(
            "deadline_fires_p50_ms", _of(ours, 50), "ms", _of(slept, 50), "asyncio.sleep until the same instants"
        ),
        _result(
            "deadline_fires_p99_ms", _of(ours, 99), "ms", _of(slept, 99), "asyncio.sleep until the same instants"
        ),
        _result("overdue_instants_per_s", rate, "instants/s", commits, "transactions of one row, one after another"),
    ]


def _result(name: str, value: float, unit: str, reference: float, about: str) -> dict[str, Any]:
    found = {"name": name, "value": round(value, 2), "unit": unit, "reference": round(reference, 2)}
    return {**found, "ratio": round(value / reference, 2), "reference_name": about}


def _of(late_s: Sequence[float], percent: int) -> float:
    return 1_000 * quantiles(late_s, n=100)[percent - 1]


async def _create(realm: Realm) -> None:
    connection = await asyncpg.connect(realm.url("approver"))
    data = RealmCreated(realm=realm.name, mode="wall", timezone="UTC", start=None)
    now = wall_now()
    origin = Origin(source="approver", actor="service:approver", time=now, asof=now)
    async with connection.transaction():
        (answer,) = await Ledger(connection).append([[NewEvent(new_event(data, REALM_STREAM, origin, "bench"))]])
    assert isinstance(answer, Appended), answer
    await connection.close()


async def _reviewed(pool: Any, differ: Differ) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await differ.plan_reviews(conn)
    while True:
        async with pool.acquire() as conn, conn.transaction():
            if not await differ.review(conn):
                return


async def _pending(pool: Any) -> None:
    """A million timers of the next years, most with an instant of their own."""
    await pool.execute(
        "INSERT INTO differ.timers SELECT 'request/' || n, 'requests-answered', now() + interval '1 day' "
        "+ n * interval '61.7 seconds' FROM generate_series(1, $1::int) AS n",
        PENDING,
        timeout=300,
    )
    await pool.execute("ANALYZE differ.timers")


async def _requests(pool: Any, name: str, instants: Sequence[datetime]) -> None:
    """What the differ knows of requests that are due, and the timers that it has set for them."""
    names = (
        *("entity_type", "key", "row", "feed", "source_time", "sequence"),
        *("event_id", "position", "as_of", "withdrawn"),
    )
    at = wall_now() - timedelta(days=1)
    records, timers = [], []
    for number, due in enumerate(instants):
        key = f"{name}-{number}"
        row = orjson.dumps({"id": key, "answered": "N", "due": instant(due.replace(microsecond=0))}).decode()
        records.append(("request", key, row, "bench", at, number, f"{number:032x}", number, at, False))
        timers.append((f"request/{key}", "requests-answered", due))
    async with pool.acquire() as conn:
        await conn.copy_records_to_table("entities", schema_name="differ", columns=names, records=records)
        await conn.copy_records_to_table("timers", schema_name="differ", records=timers)
        await conn.execute("ANALYZE differ.entities")


async def _after_downtime(pool: Any, differ: Differ) -> float:
    """Instants a second, all of them due when the differ starts."""
    began = time.perf_counter()
    fired = await WallTimers(pool, Timers("differ"), differ.fire_due, wall_now).fire_due()
    took = time.perf_counter() - began
    assert fired == OVERDUE, fired
    await _opened(pool, OVERDUE)
    return fired / took


async def _opened(pool: Any, expected: int) -> None:
    found = await pool.fetchval("SELECT count(*) FROM differ.cases WHERE condition = 'gap'")
    assert found == expected, (found, expected)


async def _lateness(pool: Any, differ: Differ, instants: Sequence[datetime]) -> list[float]:
    """Of each deadline in seconds, in order."""
    late: list[float] = []
    fired = 0

    async def step(conn: Any, until: datetime) -> int:
        nonlocal fired
        now = wall_now()  # what the step before fired is committed
        late.extend((now - due).total_seconds() for due in instants[len(late) : fired])
        count = await differ.fire_due(conn, until)
        fired += count
        if len(late) == AHEAD:
            stop.set()
        return count

    stop = asyncio.Event()
    async with asyncio.timeout(SETTLE_S + SPAN_S + 60):
        await WallTimers(pool, Timers("differ"), step, wall_now).run_until(stop)
    await _opened(pool, OVERDUE + AHEAD)
    return late


async def _sleeping() -> list[float]:
    """How late this process wakes for as many instants as far apart, in seconds."""
    begin = wall_now()
    late = []
    for number in range(AHEAD):
        due = begin + timedelta(seconds=(number + 1) * SPAN_S / AHEAD)
        await asyncio.sleep(max(0.0, (due - wall_now()).total_seconds()))
        late.append(max(0.0, (wall_now() - due).total_seconds()))
    return late


async def _commits(pool: Any, seconds: float = 1.5) -> float:
    done, began = 0, time.perf_counter()
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO differ.clock (at) VALUES (now())")
        while time.perf_counter() - began < seconds:
            async with conn.transaction():
                await conn.execute("UPDATE differ.clock SET at = now()")
            done += 1
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    print(measure())
