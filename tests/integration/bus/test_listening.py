"""Topics that a service reads in the ledger: it is told by the database, and says how far it has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import pytest
from common.bus import listening as bus_listening
from common.bus.errors import is_transient
from common.bus.listening import Listener, Listening
from common.errors import Permanent, Transient
from common.ledger import Connection, Ledger, progress
from common.topics import BY_NAME
from support.buses import Site, eventually, observe
from support.ledgers import connected

pytestmark = pytest.mark.integration
TOPIC = BY_NAME["state"]
PATIENCE_S = 30.0


class Reader:
    """A handler that reads the ledger up to its head; `wrong` is raised once, at its next call."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.calls = 0
        self.wrong: BaseException | None = None

    async def __call__(self, conn: Connection) -> None:
        self.calls += 1
        found = await Ledger(conn).read_after(conn, self.read[-1] if self.read else -1, 10_000)
        wrong, self.wrong = self.wrong, None
        if wrong is not None:
            raise wrong
        self.read += [recorded.position for recorded in found]


@asynccontextmanager
async def listening(
    site: Site, pool: Any, reader: Reader, url: str | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    one = Listening("auditor", pool, url or site.realm.url("auditor"), Listener("state", reader), 0.01)
    task = asyncio.create_task(one.run(stop))
    yield task
    stop.set()
    await asyncio.gather(task, return_exceptions=True)


async def handled(pool: Any) -> set[int]:
    """The places of all partitions of the topic."""
    found = await progress.handled(pool, "auditor")
    return {found.get((TOPIC.name, number), -1) for number in range(TOPIC.partitions)}


async def has_read(reader: Reader, count: int) -> bool:
    return reader.read == list(range(count))


async def test_everything_is_read_once_without_a_relay_or_a_broker(site: Site) -> None:
    reader = Reader()
    async with connected(site.realm, "observer") as observer, connected(site.realm, "auditor") as pool:
        ledger = Ledger(observer)
        await observe(ledger, 3)
        async with listening(site, pool, reader):
            await eventually(partial(has_read, reader, 3), "what was there before")
            for count in range(4, 10):
                await observe(ledger, 1)
                await eventually(partial(has_read, reader, count), "told of each")
            await eventually(lambda: _is(pool, {8}), "and said so")


async def test_nothing_is_under_way_only_once_it_has_read_too(site: Site) -> None:
    reader = Reader()
    async with connected(site.realm, "auditor") as pool, site.relaying("observer") as ledger:
        await observe(ledger, 3)
        await eventually(lambda: _published(ledger.pool), "on the bus")
        assert (await progress.lag(pool))["auditor"]["state"] > 0
        assert "auditor: state not handled yet" in (await progress.quiescent(pool))[1]
        async with listening(site, pool, reader):
            await eventually(partial(has_read, reader, 3), "read")
            await eventually(lambda: _is(pool, {2}), "and said so")
        assert (await progress.lag(pool))["auditor"]["state"] == 0


async def test_what_failed_is_not_said_to_be_handled_and_comes_again(site: Site) -> None:
    reader = Reader()
    async with connected(site.realm, "observer") as observer, connected(site.realm, "auditor") as pool:
        await observe(Ledger(observer), 2)
        reader.wrong = Transient("version_conflict", "somebody else was first")
        async with listening(site, pool, reader):
            await eventually(partial(has_read, reader, 2), "tried again")
        before = reader.calls
        await observe(Ledger(observer), 2)
        reader.wrong = Permanent("malformed_event", "nobody can read this")
        async with listening(site, pool, reader) as task:
            with pytest.raises(Permanent):
                await task
        assert reader.calls == before + 1
        assert await handled(pool) == {1}, "rolled back with the rest"
        async with listening(site, pool, reader):
            await eventually(partial(has_read, reader, 4), "begun again")


async def test_who_is_no_longer_told_says_so(site: Site) -> None:
    reader = Reader()
    async with connected(site.realm, "auditor") as pool, listening(site, pool, reader) as task:
        await eventually(lambda: reader.calls > 0, "listens")
        ended = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE usename = current_user AND application_name = 'listening'"
        )
        await eventually(lambda: _ends(pool, ended), "its connection is cut")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
            await task
        assert is_transient(caught.value)


async def test_a_connection_that_died_without_a_word_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_listening, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(bus_listening, "ANSWER_S", 1.0)
    reader = Reader()
    async with Passage() as passage, connected(site.realm, "auditor") as pool:
        url = passage.instead_of(site.realm.url("auditor"))
        async with listening(site, pool, reader, url) as task:
            await eventually(lambda: reader.calls > 0, "listens")
            await asyncio.sleep(0.2)
            assert not task.done(), "asked, and answered"
            passage.open.clear()
            assert await asyncio.wait([task], timeout=PATIENCE_S) == ({task}, set())
            assert isinstance(task.exception(), TimeoutError)


class Passage:
    """On the way to a server. While it is not `open` nothing goes through, and nobody is told."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._to = ("", 0)
        self._going: set[asyncio.Task[None]] = set()

    def instead_of(self, url: str) -> str:
        """The address of this, for the server at `url`."""
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 0)
        return url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self._port}")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._going:
            task.cancel()
        await asyncio.gather(*self._going, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._going.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while part := await source.read(65_536):
            await self.open.wait()
            sink.write(part)
            await sink.drain()
        sink.close()


async def test_a_place_never_goes_back(site: Site) -> None:
    async with connected(site.realm, "observer") as observer, connected(site.realm, "auditor") as pool:
        await observe(Ledger(observer), 9)
        for position, stays in ((7, 7), (3, 7), (8, 8)):
            await progress.reach(pool, "auditor", "state", position)
            assert await handled(pool) == {stays}


async def _is(pool: Any, places: set[int]) -> bool:
    return await handled(pool) == places


async def _published(pool: Any) -> bool:
    return max((await progress.published(pool)).values(), default=-1) == 2


async def _ends(pool: Any, statement: str) -> bool:
    return bool(await pool.fetchval(statement))
