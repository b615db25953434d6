"""A broker lost its topics: `trueup bus rebuild` has all of it published again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cli.main import app
from cli.stack.broker import Broker
from cli.stack.realm import Realm, database_name, database_url
from common.bus import Bus
from common.ledger import Ledger, progress
from support.buses import Seen, Site, all_published, eventually, observe, running
from support.ledgers import connected, name
from typer.testing import CliRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def own_broker(session_folder: Path) -> Iterator[Broker]:
    """An embedded broker that the test may restart, which empties it."""
    with Broker(session_folder / f"broker-{name()}") as broker:
        yield broker


@pytest.fixture
def forgetful(site: Site, own_broker: Broker) -> Site:
    return Site(replace(site.realm, bus=own_broker))


async def rebuild(realm: Realm, url: str | None = None) -> tuple[int, dict[str, object]]:
    options = ["--json", "--realm", realm.name, "--database", url or realm.server.admin_url]
    result = await asyncio.to_thread(CliRunner().invoke, app, ["bus", "rebuild", *options])
    return result.exit_code, json.loads(result.stdout)


async def test_everything_is_published_again_once_and_a_new_group_reads_it_all(
    forgetful: Site, own_broker: Broker
) -> None:
    site = forgetful
    async with connected(site.realm, "observer") as pool, site.seeing("differ") as seen:
        relaying = Bus(site.address("observer"), pool, site.realm.url("observer"))
        ledger = Ledger(pool)
        async with running(relaying), site.consuming("differ", seen, "state") as consuming:
            await observe(ledger, 40)
            await eventually(lambda: _handled(seen, 40), "before")
            own_broker.restart()
            for bus in (relaying, consuming):
                await eventually(partial(_is_on, bus, own_broker), "on the empty broker")
            assert await rebuild(site.realm) == (0, {"realm": site.realm.name, "to_publish": {"observer": 40}})
            await eventually(lambda: all_published(pool, "observer"), "published again")
            await observe(ledger, 10)
            await eventually(lambda: _handled(seen, 50), "and it goes on")
            await eventually(lambda: all_published(pool, "observer"), "all of it")
        assert sorted(await seen.positions()) == list(range(50)), "nothing is handled twice"
        messages = [dict(record.headers) for record in await site.messages("state")]
        assert sorted(int(headers["position"]) for headers in messages) == list(range(50)), "nothing doubled"
    async with site.seeing("auditor") as newcomer, site.consuming("auditor", newcomer, "state"):
        await eventually(lambda: _handled(newcomer, 50), "a group that was never there")
        assert sorted(await newcomer.positions()) == list(range(50))


async def test_a_relay_that_has_nothing_to_send_notices_too(site: Site) -> None:
    """On a broker that lost nothing: each message is there twice, and handled once."""
    async with site.relaying("observer") as ledger:
        await observe(ledger, 5)
        await eventually(lambda: all_published(ledger.pool, "observer"), "published")
        assert (await rebuild(site.realm))[0] == 0
        await eventually(lambda: _twice(site), "published again")
        await eventually(lambda: all_published(ledger.pool, "observer"), "and stored")
    async with site.seeing("differ") as seen, site.consuming("differ", seen, "state"):
        await eventually(lambda: _handled(seen, 5), "handled")
        await eventually(lambda: _at_rest(seen), "nothing left")
        assert sorted(await seen.positions()) == list(range(5))


async def test_a_relay_that_was_away_begins_anew_when_it_is_back(site: Site) -> None:
    async with site.relaying("observer") as ledger:
        await observe(ledger, 5)
        await eventually(lambda: all_published(ledger.pool, "observer"), "published")
    assert (await rebuild(site.realm))[0] == 0
    async with site.relaying("observer") as ledger:
        await eventually(lambda: _twice(site), "published again")


async def test_who_may_not_set_relays_back_is_told(site: Site) -> None:
    async with connected(site.realm, "observer") as pool:
        await observe(Ledger(pool), 1)
        async with pool.acquire() as connection, connection.transaction():
            await progress.set_relayed(connection, "observer", progress.Move(None, 0), {("state", 0): 0})
        own = database_url(site.realm.url("observer"), database_name("elsewhere"))
        code, said = await rebuild(site.realm, site.realm.url("observer"))
        assert (code, said["error"]) == (2, "superuser_needed")
        assert (await progress.relayed(pool, "observer"), await progress.published(pool)) == (0, {("state", 0): 0})
    code, said = await rebuild(Realm("elsewhere", site.realm.server, site.realm.passwords), own)
    assert (code, said["error"]) == (2, "database_unreachable")


def _is_on(bus: Bus, broker: Broker) -> bool:
    return bus.state.ready and bus.state.cluster_id == broker.cluster_id


async def _handled(seen: Seen, count: int) -> bool:
    return len(await seen.positions()) >= count


async def _twice(site: Site) -> bool:
    found = [int(dict(record.headers)["position"]) for record in await site.messages("state")]
    return sorted(found) == sorted([*range(5), *range(5)])


async def _at_rest(seen: Seen) -> bool:
    behind = (await progress.quiescent(seen.pool))[1]
    return not [line for line in behind if line.startswith("differ: state")]
