"""The stage of a scenario: a realm with its simulated people, feeds and target systems, on a stack of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from cli.demo import cast
from cli.demo.cast import Member
from cli.stack import targets, ticketing
from cli.stack.development import TARGETS
from cli.stack.postgres import Postgres
from cli.stack.realm import database_url
from cli.stack.stack import AnyBroker, BrokerKind, Stack, silent

EXAMPLES = Path(__file__).resolve().parents[5] / "examples"


@dataclass(frozen=True)
class Scene:
    """A stack to start, and what its simulated outside world needs."""

    stack: Stack
    keys: Mapping[str, Path]
    tokens: Mapping[str, str]

    def requests(self) -> int:
        """How many requests stand in the ticketing database."""
        return int(asyncio.run(_fetch(self.target_url, "SELECT count(*) FROM requests")))

    def counts(self) -> dict[str, int]:
        """Events in the ledger, by type."""
        return dict(asyncio.run(_counts(self.stack.database_url("reader"))))

    @property
    def target_url(self) -> str:
        return database_url(self.stack.postgres.admin_url, ticketing.database_name(self.stack.realm))


def make(  # noqa: PLR0913 - a scene has this many dimensions, all named
    folder: Path,
    *,
    realm: str,
    people: Sequence[Member],
    feeds: Sequence[str],
    target: tuple[str, Path] | None,
    starts: str,
    timezone: str,
    broker: BrokerKind | AnyBroker = "embedded",
    postgres: Postgres | None = None,
    detached: bool = False,
    tell: Callable[[str], None] = silent,
) -> Scene:
    """A scene over `folder`, not started. `target` is a system and the DDL of its demo database, if there is one."""

    def prepare(stack: Stack) -> None:
        if target is None:
            return
        system, ddl = target
        address = ticketing.provide(stack.postgres, stack.realm, ddl.read_text())
        targets.write(stack.config / TARGETS, {system: address})

    stack = Stack(
        folder,
        realm=realm,
        broker=broker,
        postgres=postgres,
        clock=f"replay:{starts}",
        timezone=timezone,
        detached=detached,
        tell=tell,
        prepare=prepare,
    )
    keys = cast.enrol(people, realm, stack.config, stack.folder / "people")
    cast.secrets_of(stack.config, realm)
    return Scene(stack, keys, cast.feed_tokens(stack.config, feeds))


async def _fetch(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _counts(url: str) -> list[tuple[str, int]]:
    connection = await asyncpg.connect(url)
    try:
        return [
            tuple(row) for row in await connection.fetch("SELECT type, count(*) FROM ledger.events GROUP BY type")
        ]
    finally:
        await connection.close()
