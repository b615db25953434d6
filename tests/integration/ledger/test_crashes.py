"""SIGKILL in the middle of appends, and connections that break: what was acknowledged is there, without a gap."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, prepare_database
from cli.stack.secretfiles import Passwords
from common.bus.errors import is_transient
from common.errors import Transient
from common.ledger import Appended, Ledger, NewEvent, append
from support.ledgers import an_event, connected, name
from support.processes import until

pytestmark = pytest.mark.integration
WRITERS, ENOUGH = 8, 200


@pytest.fixture(scope="module")
def own(session_folder: Path) -> Iterator[Realm]:
    """A realm on a server of its own, which may be killed."""
    with Postgres(session_folder / "crashing") as server:
        passwords = Passwords(session_folder / "crashing.json")
        prepare_database(server, "crashing", passwords)
        yield Realm("crashing", server, passwords)


@dataclass
class Writers:
    """Append until the ledger is away. `acknowledged`: id -> position; `tried` has those too that nobody heard of."""

    realm: Realm
    acknowledged: dict[str, int] = field(default_factory=dict)
    tried: list[NewEvent] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Several at once, each with transactions of its own, until the ledger ends them all."""
        tasks = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        yield
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)

    async def _write(self) -> None:
        try:
            connection = await asyncpg.connect(self.realm.url("observer"))
            while True:
                events = [NewEvent(an_event()) for _ in range(3)]
                self.tried += events
                async with connection.transaction():
                    answers = await append(connection, [[event] for event in events])
                for event, answer in zip(events, answers, strict=True):
                    assert isinstance(answer, Appended)
                    self.acknowledged[event.event.id] = answer.positions[0]
        except Exception as error:
            if not is_transient(error):
                raise

    async def enough(self) -> None:
        async def there() -> bool:
            return len(self.acknowledged) > ENOUGH

        await until(there)

    async def check(self) -> None:
        """All that was acknowledged is where it was said to be, positions are dense, and all can be sent again: what
        is stored is adopted, the rest is appended."""
        async with connected(self.realm, "observer") as pool:
            rows = await pool.fetch("SELECT position, id FROM ledger.events ORDER BY position")
            assert [row["position"] for row in rows] == list(range(len(rows)))
            assert await Ledger(pool).head(pool) == len(rows) - 1
            stored = {row["id"]: row["position"] for row in rows}
            assert self.acknowledged.items() <= stored.items(), "nothing acknowledged is lost or moved"
            answers = await Ledger(pool).append([[event] for event in self.tried])
            for event, answer in zip(self.tried, answers, strict=True):
                assert isinstance(answer, Appended)
                assert answer.duplicate is (event.event.id in stored)
            last = await Ledger(pool).head(pool)
            assert last == len(rows) - 1 + sum(event.event.id not in stored for event in self.tried)


async def test_a_postmaster_killed_under_writers_loses_nothing_acknowledged_and_leaves_no_gap(own: Realm) -> None:
    server = own.server
    assert isinstance(server, Postgres)
    writers = Writers(own)
    async with writers.running():
        await writers.enough()
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await writers.check()


async def test_a_backend_killed_while_it_holds_the_lock_loses_nothing_and_leaves_no_gap(own: Realm) -> None:
    """SIGKILL: the server takes all its processes down and recovers."""
    lost = an_event()
    writers = Writers(own)
    async with writers.running():
        await writers.enough()
        victim = await asyncpg.connect(own.url("observer"))
        await victim.execute("BEGIN")
        await append(victim, [[NewEvent(lost)]])
        os.kill(victim.get_server_pid(), signal.SIGKILL)
    victim.terminate()

    async def back() -> bool:
        try:
            await (await asyncpg.connect(own.url("observer"))).close()
        except (asyncpg.PostgresError, OSError):
            return False
        return True

    await until(back)
    await writers.check()
    async with connected(own, "observer") as pool:
        assert await Ledger(pool).by_ids(pool, [("observer", lost.id)]) == []


class Line:
    """A way to the database that can be cut between what the server did and the client's hearing of it."""

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self.deaf = False
        self._swallowed = asyncio.Event()

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        login = self._there.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._there._replace(netloc=f"{login}@127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._there.hostname, self._there.port)
        up = asyncio.create_task(self._up(reader, there[1]))
        try:
            while data := await there[0].read(65536):
                if self.deaf and data.endswith(b"Z\x00\x00\x00\x05I"):  # ready for the next query: it is committed
                    break
                if not self.deaf:
                    writer.write(data)
                    await writer.drain()
        finally:
            up.cancel()
            there[1].close()
            writer.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_an_answer_that_is_lost_after_the_commit_is_adopted_at_the_next_try(database: Realm) -> None:
    requests = [[NewEvent(an_event())] for _ in range(20)]
    async with connected(database, "reader") as pool, Line(database.url("observer")) as line:
        before = await Ledger(pool).head(pool)
        client: Any = await asyncpg.create_pool(line.url, min_size=0, max_size=1, ssl=False)
        ledger = Ledger(client)
        warm = await ledger.append(
            [[NewEvent(an_event())], [NewEvent(an_event())]]
        )  # the statement is prepared from here on
        assert warm == [Appended((before + 1,)), Appended((before + 2,))]
        line.deaf = True
        with pytest.raises(Transient) as caught:
            await ledger.append(requests)
        assert caught.value.reason_code == "ledger_unavailable"
        assert await Ledger(pool).head(pool) == before + 22, "it was committed, and the client never heard of it"
        line.deaf = False
        answers = await ledger.append(requests)
        assert answers == [
            Appended((before + 3 + number,), True, (request[0].event.encode(),))
            for number, request in enumerate(requests)
        ]
        assert await Ledger(pool).head(pool) == before + 22
        client.terminate()


async def test_one_who_idles_in_a_transaction_is_told_of_and_cut_off(database: Realm) -> None:
    """Writers are told why they wait in vain, readers go on, and the database itself ends it."""
    impatient, patient = [
        await asyncpg.create_pool(
            database.url("observer"), min_size=0, max_size=1, server_settings={"lock_timeout": wait}
        )
        for wait in ("100ms", "60s")
    ]
    idle = await asyncpg.connect(database.url("differ"))
    await idle.execute("SET idle_in_transaction_session_timeout = '5s'")
    await idle.execute("BEGIN")
    await append(idle, [[NewEvent(an_event("differ"))]])
    with pytest.raises(Transient) as caught:
        await Ledger(impatient).append([[NewEvent(an_event())]])
    assert caught.value.reason_code == "ledger_unavailable"
    assert "lock timeout" in caught.value.message
    async with connected(database, "reader") as pool:
        head = await Ledger(pool).head(pool)
        assert len(await Ledger(pool).read_after(pool, -1, head + 2)) == head + 1
        (answer,) = await Ledger(patient).append([[NewEvent(an_event())]])
        assert answer == Appended((head + 1,)), "what the idle one had done is gone, without a gap"
    # The driver has words of its own where the server's end of the connection and the statement cross.
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        await idle.execute("COMMIT")
    impatient.terminate()
    patient.terminate()


async def test_a_poisoned_request_fails_alone(database: Realm) -> None:
    good = [[NewEvent(an_event(stream=f"entity/{name()}/x"))] for _ in range(4)]
    poison = [NewEvent(an_event()), NewEvent(an_event(stream="gap/not/the/observers"))]
    async with connected(database, "observer") as pool:
        head = await Ledger(pool).head(pool)
        answers = await Ledger(pool).append([*good[:2], poison, *good[2:]])
        assert [answer.positions for answer in answers if isinstance(answer, Appended)] == [
            (head + number,) for number in range(1, 5)
        ]
        assert [getattr(answer, "reason_code", None) for answer in answers] == [
            None,
            None,
            "forbidden_stream",
            None,
            None,
        ]
