"""From where on a feed's numbers are watched: where that was declared, whenever anybody comes to look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from common.clock import RealmClock, parse_instant
from common.declarations.handling import Source
from common.events.envelope import Event
from common.events.observer import Doubt
from common.ledger import Connection
from hypothesis import given
from hypothesis import strategies as st
from observer.core.completeness import Heard, Held, Run, Total, joined
from observer.workers import Judge

NOW = parse_instant("2023-07-03T00:00:00Z")
FEED = "tracker"


class Ledger:
    """`observer.ports.Judgements` over a list of numbers; a declaration is None."""

    def __init__(self, said: Sequence[int | None]) -> None:
        self.said = said
        self.until = self.head = -1
        self.floors: dict[str, int | None] = {}
        self.kept: list[Run] = []
        self.sources: dict[str, Source] = {}
        self.gapless: dict[str, int] = {}

    def learn(self) -> None:
        """What a service knows that has read up to the head."""
        for position, number in enumerate(self.said[: self.head + 1]):
            if number is None:
                self.gapless.setdefault(FEED, position)

    def heard(self, after: int, head: int) -> list[Heard]:
        return [
            Heard(FEED, "finding", NOW, number) for number in self.said[after + 1 : head + 1] if number is not None
        ]

    async def begin(self, _connection: Connection) -> tuple[int, int]:
        return self.until, self.head

    async def clock(self, _connection: Connection) -> RealmClock:
        return RealmClock("replay", NOW)

    async def numberings(self, _connection: Connection) -> dict[str, int | None]:
        return dict(self.floors)

    async def number(self, _connection: Connection, feed: str, since: int) -> int | None:
        self.floors[feed] = max(
            (one.sequence for one in self.heard(-1, since) if one.sequence is not None), default=None
        )
        return self.floors[feed]

    async def unnumber(self, _connection: Connection, feeds: Sequence[str]) -> None:
        assert not feeds

    async def tail(self, _connection: Connection, after: int, head: int, feeds: Iterable[str]) -> list[Heard]:
        return self.heard(after, head) if FEED in feeds else []

    async def runs(self, _connection: Connection, _feed: str) -> list[Run]:
        return self.kept

    async def keep_runs(self, _connection: Connection, _feed: str, runs: Sequence[Run]) -> None:
        self.kept = list(runs)

    async def totals(self, _connection: Connection) -> list[tuple[Total, Held | None]]:
        return []

    async def keep_totals(self, _connection: Connection, totals: Sequence[tuple[Total, Held | None]]) -> None:
        assert not totals

    async def held(self, _connection: Connection, total: Total) -> Held:
        raise AssertionError(f"nobody counted {total}")

    async def judgements(self, _connection: Connection) -> dict[str, list[Doubt]]:
        return {}

    async def say(
        self,
        _connection: Connection,
        _events: Sequence[Event],
        _judgements: Mapping[str, Sequence[Doubt]],
        until: int,
    ) -> None:
        self.until = until


def wall() -> datetime:
    return NOW


NUMBERS = st.lists(st.integers(0, 12), max_size=12)
LOOKS = st.lists(st.tuples(st.integers(0, 24), st.booleans()), max_size=8)
"""How far the ledger had come each time somebody looked, and whether they knew by then what was declared."""


@given(NUMBERS, NUMBERS, LOOKS)
def test_numbers_count_from_the_declaration_on_whenever_it_is_learned(
    before: list[int], after: list[int], looks: list[tuple[int, bool]]
) -> None:
    ledger = Ledger([*before, None, *after])
    judge = Judge(ledger, lambda: ledger, wall)
    last = len(ledger.said) - 1
    for head, learns in [*sorted(looks), (last, True)]:
        ledger.head = min(head, last)
        if learns:
            ledger.learn()
        asyncio.run(judge.judge(cast(Any, None)))
    floor = max(before, default=None)
    assert ledger.floors == {FEED: floor}
    assert ledger.kept == joined((), [(number, NOW) for number in after], floor)
