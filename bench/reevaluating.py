"""How fast a whole population is looked at again after a declaration changed: rows read from the differ's tables,
decided under the new version, cases and timers written, gaps appended; the differ's real handlers on real PostgreSQL.

One change tightens one of five rules, so that one entity in a hundred gets a case: what is new is looked at. The
other says in other words which entities are meant and tightens the rule again: everything is looked at. Reference:
the same compiled CEL programs over the same values in memory, one activation an entity, nothing else.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import orjson
from cli.stack.realm import Realm
from common.clock import parse_instant, wall_now
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.events import Origin, new_event
from common.events.approver import RealmCreated
from common.ids import REALM_STREAM
from common.ledger import Appended, Ledger, NewEvent
from differ.handlers import Differ
from differ.main import assemble

from bench.declaring import declare
from bench.realms import fresh_folder, fresh_realm

ENTITIES = 100_000
START = "2023-07-03T00:00:00Z"
_DAY = date(2023, 7, 3)
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: vendor}
spec:
  about: A vendor.
  source: bench
  key: id
  freshFor: 400 days
  attributes:
    name:     {from: name}
    tier:     {from: tier, read: number}
    status:   {from: status, read: [active, ending, ended]}
    owner:    {from: owner}
    critical: {from: critical, read: {"Y": true, "N": false}}
    assessed: {from: assessed, read: "yyyy-MM-dd"}
    renewal:  {from: renewal, read: "yyyy-MM-dd"}
    score:    {from: score, read: number}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: vendors-assessed}
spec:
  statement: Every vendor is assessed.
  basis: Bench
  owner: nobody
  effective: 2023-01-01
  timezone: UTC
  selector: {entity: vendor, where: status != 'ended'}
  done: known(assessed)
  severity: {high: critical, medium: otherwise}
  expectations:
    - {name: owned, expect: owner != '', says: It has no owner.}
    - {name: tiered, expect: tier >= 1 && tier <= 3, says: It has no tier.}
    - {name: assessed, when: tier <= 2, expect: known(assessed), says: It was never assessed.}
    - {name: scored, when: critical, expect: score >= 10, says: Its score is too low.}
  deadlines:
    - {name: renewed, expect: status == 'ending', by: renewal, plus: 30 days, says: It is to be renewed.}
  verification: {proof: done, soak: 1 day, within: 9 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: vendors-approvals}
spec:
  covers: vendors-assessed
  confirmGap: {head: 1}
  approvePlan:
    - {when: risk == 'low' || risk == 'medium' || risk == 'high', roles: {head: 1}}
  releaseStep: {head: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 business days
"""
TIGHTER = PAGE.replace("score >= 10", "score >= 12")
CHANGES = {
    "reevaluate_entities_per_s": TIGHTER,
    "reevaluate_whole_entities_per_s": PAGE.replace("score >= 10", "score >= 14").replace(
        "where: status != 'ended'", "where: status != 'gone'"
    ),
}
_GAPS = "SELECT count(*) FROM differ.cases WHERE condition = 'gap'"
_CONDITIONS = (
    "status != 'ended'", "critical", "owner != ''", "tier >= 1 && tier <= 3", "tier <= 2", "critical", "score >= 12",
    "status == 'ending'",
)  # fmt: skip


def row(number: int) -> dict[str, str]:
    """One vendor; a fiftieth of the critical half scores just below what the change asks for."""
    return {
        "id": f"V-{number:07}",
        "name": f"Vendor {number} Ltd.",
        "tier": str(number % 3 + 1),
        "status": "active" if number % 20 else "ended",
        "owner": ("procurement", "it-service", "treasury")[number % 3],
        "critical": "YN"[number % 2],
        "assessed": (_DAY - timedelta(days=number % 300)).isoformat(),
        "renewal": (_DAY + timedelta(days=30 + number % 700)).isoformat(),
        "score": str(11 if number % 100 == 2 else 12 + number % 80),
    }


def measure() -> list[dict[str, Any]]:
    """The figure in the form of `bench.json`."""
    with fresh_folder() as folder, fresh_realm(folder) as realm:
        ours = asyncio.run(reevaluate(realm))
    bare = _bare()
    return [
        {
            "name": name,
            "value": round(value),
            "unit": "entities/s",
            "reference": round(bare),
            "ratio": round(value / bare, 3),
            "reference_name": f"bare CEL loop, all conditions ({opened:,} cases opened beside it)",
        }
        for name, (value, opened) in ours.items()
    ]


async def reevaluate(realm: Realm, entities: int = ENTITIES) -> dict[str, tuple[float, int]]:
    """Entities a second, and how many cases the change opened, by the name of the figure."""
    found: dict[str, tuple[float, int]] = {}
    async with asyncpg.create_pool(realm.url("differ"), min_size=1, max_size=3) as pool:
        await _fill(realm, pool, entities)
        differ = assemble(Ledger(pool), wall_now)
        await _activated(realm, PAGE, 1)
        await _reviewed(pool, differ)
        for version, (name, text) in enumerate(CHANGES.items(), 2):
            before = await pool.fetchval(_GAPS)
            await _activated(realm, text, version)
            began = time.perf_counter()
            await _reviewed(pool, differ)
            took = time.perf_counter() - began
            opened = await pool.fetchval(_GAPS) - before
            assert opened > 0, "the change opens cases"
            found[name] = entities / took, opened
    return found


async def _reviewed(pool: Any, differ: Differ) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await differ.plan_reviews(conn)
    while True:
        async with pool.acquire() as conn, conn.transaction():
            if not await differ.review(conn):
                return


async def _activated(realm: Realm, text: str, version: int) -> None:
    loaded = load(text, "bench.yaml")
    assert not loaded.problems, loaded.problems
    await declare(realm.url("approver"), realm.name, loaded.documents, START, version)


async def _fill(realm: Realm, pool: Any, entities: int) -> None:
    """The realm, and what the differ would know of its vendors after it had consumed them."""
    connection = await asyncpg.connect(realm.url("approver"))
    data = RealmCreated(realm=realm.name, mode="replay", timezone="UTC", start=START)
    origin = Origin(source="approver", actor="service:approver", time=wall_now(), asof=parse_instant(START))
    created = new_event(data, REALM_STREAM, origin, "bench")
    async with connection.transaction():
        (answer,) = await Ledger(connection).append([[NewEvent(created)]])
    assert isinstance(answer, Appended), answer
    await connection.close()
    at = parse_instant(START)
    records = [
        ("vendor", one["id"], orjson.dumps(one).decode(), "bench", at, number, f"{number:032x}", number, at, False)
        for number, one in ((number, row(number)) for number in range(entities))
    ]
    names = (
        *("entity_type", "key", "row", "feed", "source_time", "sequence"),
        *("event_id", "position", "as_of", "withdrawn"),
    )
    async with pool.acquire() as conn:
        await conn.copy_records_to_table("entities", schema_name="differ", columns=names, records=records)
        await conn.execute("ANALYZE differ.entities")


def _bare(entities: int = 5_000, seconds: float = 1.5) -> float:
    from cel_expr_python import cel  # noqa: PLC0415 - only the reference needs it

    catalogue = Catalogue().with_documents(load(TIGHTER, "bench.yaml").documents)
    reader = catalogue.readers["vendor"]
    text = dict.fromkeys(("status", "owner"), cel.Type.STRING)
    env = cel.NewEnv(
        variables={**text, "tier": cel.Type.INT, "score": cel.Type.INT, "critical": cel.Type.BOOL,
                   "today": cel.Type.TIMESTAMP}
    )  # fmt: skip
    programs = [env.compile(condition) for condition in _CONDITIONS]
    today = datetime(2023, 7, 3, tzinfo=UTC)
    wanted = ("status", "owner", "tier", "score", "critical")
    read = [reader.read(row(number)).values for number in range(entities)]
    plain = [{**{name: values[name] for name in wanted}, "today": today} for values in read]
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for values in plain:
            activation = env.Activation(values)
            for program in programs:
                program.eval(activation).value()
        done += len(plain)
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    print(measure())
