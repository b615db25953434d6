"""A source's table is polled: each row once, late commits too, through kills; what changed under it is refused."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from common.events.observer import EntityObserved, ObservationRejected, SourceReported
from support.observer_realm import FEED, FINDING, WAIT_S, ObserverRealm

pytestmark = pytest.mark.integration
PASSWORD = "a-password-that-nobody-prints"
TABLE = 'odd"; DROP TABLE x --'
COLUMNS = 'reference text NOT NULL, title text, changed timestamptz NOT NULL, "an""odd one" numeric'


class Source:
    """A database of somebody else's, with a login that may only read."""

    def __init__(self, realm: ObserverRealm, name: str) -> None:
        parts = urlsplit(realm.stack.database_admin_url)
        self.realm, self.name = realm, name
        self.admin_url = urlunsplit(parts._replace(path=f"/{name}"))
        host = parts.netloc.rpartition("@")[2]
        self.dsn = urlunsplit(parts._replace(netloc=f"{name}:{PASSWORD}@{host}", path=f"/{name}"))
        self.owner: Any = None

    async def make(self) -> None:
        server = await asyncpg.connect(self.realm.stack.database_admin_url)
        await server.execute(f"CREATE DATABASE {self.name}")
        await server.execute(f"CREATE ROLE {self.name} LOGIN PASSWORD '{PASSWORD}'")
        await server.close()
        self.owner = await asyncpg.connect(self.admin_url)
        quoted = '"' + TABLE.replace('"', '""') + '"'
        await self.owner.execute(f"CREATE TABLE {quoted} ({COLUMNS}, PRIMARY KEY (reference))")
        await self.owner.execute(f"CREATE INDEX ON {quoted} (changed, reference)")
        await self.owner.execute(f"GRANT SELECT ON {quoted} TO {self.name}")
        self.table = quoted

    async def put(self, prefix: str, count: int, at: str, title: str = "x", to: Any = None) -> None:
        await (to or self.owner).execute(
            f"INSERT INTO {self.table} SELECT $1 || n, $2, $3::text::timestamptz + n * interval '1 millisecond', 1.50 "  # noqa: E501
            "FROM generate_series(1, $4) n "
            "ON CONFLICT (reference) DO UPDATE SET title = excluded.title, changed = excluded.changed",
            prefix, title, at, count,
        )  # fmt: skip

    def polled(self, **more: Any) -> None:
        """Write the observer's file."""
        table = {"entity_type": "finding", "table": f"public.{TABLE}", "cursor": "changed", "tie": "reference",
                 "every_s": 0.2, "overlap": 600, **more}  # fmt: skip
        said = {FEED: {"dsn": self.dsn, "tables": [table]}}
        (self.realm.stack.config / "polls.json").write_text(json.dumps(said))

    async def close(self) -> None:
        await self.owner.close()


@pytest.fixture
async def source(stopped: ObserverRealm) -> AsyncIterator[Source]:
    made = Source(stopped, f"src_{secrets.token_hex(4)}")
    await made.make()
    yield made
    await made.close()


async def stored(realm: ObserverRealm) -> Counter[tuple[str, str]]:
    return Counter((e.data["key"], e.data["row"]["title"]) for e in await realm.events(EntityObserved))


async def notes(realm: ObserverRealm, until: str) -> str:
    """The observer's notes, once they hold this text."""
    deadline = time.monotonic() + WAIT_S
    async with httpx.AsyncClient(base_url=realm.stack.urls["observer"], trust_env=False) as client:
        while until not in (found := "\n".join((await client.get("/status")).json()["notes"])):
            assert time.monotonic() < deadline, f"{found}\n{realm.log_tail()}"
            await asyncio.sleep(0.05)
    return found


async def test_new_and_changed_rows_come_once_and_late_commits_too(stopped: ObserverRealm, source: Source) -> None:
    await source.put("A-", 1_200, "2023-07-01T00:00:00Z")
    source.polled()
    stopped.stack.start_service("observer")
    await stopped.wait_for(1_200)
    first = (await stopped.events(EntityObserved))[0].data
    assert first["source_time"] == "2023-07-01T00:00:00.001000Z"
    assert first["row"] == {
        "reference": "A-1", "title": "x", "changed": "2023-07-01T00:00:00.001000Z", 'an"odd one': "1.50",
    }  # fmt: skip
    late = await asyncpg.connect(source.admin_url)
    async with late.transaction():
        await source.put("late-", 1, "2023-07-01T00:00:10Z", to=late)
        await source.put("B-", 3, "2023-07-01T00:05:00Z")
        await source.put("A-", 2, "2023-07-01T00:06:00Z", "changed")
        await stopped.wait_for(1_205)
    await late.close()  # it commits after later moments were read
    await stopped.wait_for(1_206)
    await notes(stopped, "polls audit-tracker for finding: 1,205 rows, 0 behind")
    expected = Counter({(f"A-{n}", "x"): 1 for n in range(1, 1_201)} | {(f"B-{n}", "x"): 1 for n in (1, 2, 3)})
    expected |= Counter({("A-1", "changed"): 1, ("A-2", "changed"): 1, ("late-1", "x"): 1})
    assert await stored(stopped) == expected
    assert await stopped.events(ObservationRejected) == []
    async with httpx.AsyncClient(base_url=stopped.stack.urls["observer"], trust_env=False) as client:
        metrics = (await client.get("/metrics")).text
    assert 'trueup_poll_rows{entity_type="finding",feed="audit-tracker"} 1205.0' in metrics


@pytest.mark.kill
@pytest.mark.parametrize(
    "point", ["observer.poll_appended=2", "observer.poll_committed=2", "observer.poll_appended=4"]
)
async def test_a_kill_in_the_middle_loses_and_doubles_nothing(
    stopped: ObserverRealm, source: Source, point: str
) -> None:
    await source.put("A-", 1_700, "2023-07-01T00:00:00Z")
    source.polled()
    stopped.stack.start_service("observer", point, wait=False)
    assert await asyncio.to_thread(stopped.stack.wait_service_gone, "observer", 30.0), "the failpoint was not reached"
    before = len(await stopped.events(EntityObserved))
    assert 0 < before < 1_700, "it was killed in the middle"
    await source.put("A-", 1, "2023-07-02T00:00:00Z", "changed")
    stopped.stack.start_service("observer")
    await stopped.wait(lambda events: events[-1].data.get("row", {}).get("title") == "changed")
    await notes(stopped, ": 1,70")
    found = await stored(stopped)
    assert set(found.values()) == {1}
    assert {key for key, _ in found} == {f"A-{n}" for n in range(1, 1_701)}
    assert await stopped.events(ObservationRejected) == []


async def test_a_changed_table_is_refused_until_somebody_accepts_it(stopped: ObserverRealm, source: Source) -> None:
    await source.put("A-", 2, "2023-07-01T00:00:00Z")
    source.polled()
    stopped.stack.start_service("observer")
    await stopped.wait_for(2)
    await source.owner.execute(f"ALTER TABLE {source.table} RENAME COLUMN title TO heading")
    said = await notes(stopped, "schema_changed")
    assert "the column title went missing; the column heading is new" in said
    await source.owner.execute(
        f"INSERT INTO {source.table} (reference, heading, changed) VALUES ('B-1', 'y', '2023-07-01T01:00:00Z')"
    )
    await asyncio.sleep(1.0)
    assert len(await stopped.events(EntityObserved)) == 2, "nothing is read of a table that is not what it was"
    source.polled(schema_version=2)
    found = await stopped.wait_for(3)
    assert found[-1].data["row"]["heading"] == "y"
    assert "schema_changed" not in await notes(stopped, "polls")


async def test_all_rows_reported_as_one_say_what_is_gone(stopped: ObserverRealm, source: Source) -> None:
    await stopped.advance("2100-01-01T00:00:00Z")  # what a whole table shows is of the source's own now
    await source.put("A-", 600, "2023-07-01T00:00:00Z")
    source.polled(whole_every_s=1.0)
    stopped.stack.start_service("observer")
    await stopped.wait(lambda events: any(event.type == SourceReported.TYPE for event in events))
    await source.owner.execute(f"DELETE FROM {source.table} WHERE reference = 'A-7'")
    await stopped.wait(
        lambda events: any(e.type == SourceReported.TYPE and e.data["rows"] == 599 for e in events),
    )
    whole = [event.data for event in await stopped.events(SourceReported)]
    assert (whole[0]["rows"], whole[0]["complete"]) == (600, True)
    after = next(data for data in whole if data["rows"] == 599)
    assert "A-7" not in after["refreshed"]
    assert len(after["refreshed"]) == 599
    assert after["complete"] is True


async def test_rows_ahead_of_the_realms_clock_wait_for_it(stopped: ObserverRealm, source: Source) -> None:
    await source.put("A-", 1, "2023-07-01T00:00:00Z")
    await source.put("B-", 1, "2023-08-01T00:00:00Z")
    source.polled()
    stopped.stack.start_service("observer")
    await notes(stopped, "source_ahead")
    assert [key for key, _ in await stored(stopped)] == ["A-1"]
    await stopped.advance("2023-08-02T00:00:00Z")
    await stopped.wait_for(2)
    assert await stopped.events(ObservationRejected) == []


async def test_a_source_that_is_away_is_named_and_its_password_never(stopped: ObserverRealm, source: Source) -> None:
    source.dsn = source.dsn.replace(PASSWORD, PASSWORD + "-wrong")
    source.polled()
    stopped.stack.start_service("observer")
    said = await notes(stopped, "source_unreachable")
    source.dsn = "postgresql://x:" + PASSWORD + "@[nonsense/db"
    source.polled()
    said += await notes(stopped, "ValueError")
    source.dsn = source.dsn.replace("[nonsense", "127.0.0.1:1")
    source.polled(table="no.such")
    said += await notes(stopped, "source_unreachable")
    assert PASSWORD not in said + stopped.stack.log("observer").read_text()
    async with httpx.AsyncClient(base_url=stopped.stack.urls["observer"], trust_env=False) as client:
        assert (await client.get("/readyz")).status_code == 200, "one source holds up nothing else"
        assert PASSWORD not in (await client.get("/metrics")).text


async def test_nothing_is_read_before_its_type_is_active(stopped: ObserverRealm, source: Source) -> None:
    await source.put("A-", 1, "2023-07-01T00:00:00Z")
    source.polled(entity_type="later")
    stopped.stack.start_service("observer")
    await notes(stopped, "unknown_entity_type")
    await stopped.declare("later", FINDING)
    await stopped.wait_for(1)
    assert await stopped.events(ObservationRejected) == []
