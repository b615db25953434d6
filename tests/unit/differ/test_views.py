"""What rules read of entities is read once while a clock moves, and anew when something else counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest
from common.declarations.evaluation import EntityView
from differ import handlers
from differ.handlers import Views

A, B, GONE = ("finding", "A"), ("finding", "B"), ("finding", "gone")


class Declared:
    catalogue = None


class Store:
    """Knows A and B, and counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []

    async def views(self, _conn: object, _catalogue: object, refs: Iterable[Any]) -> dict[Any, EntityView]:
        self.asked.append(list(refs))
        return {
            ref: EntityView(ref[0], ref[1], {"asked": str(len(self.asked))}, None)
            for ref in self.asked[-1]
            if ref != GONE
        }


@pytest.fixture
def store() -> Store:
    return Store()


async def of(views: Views, declared: Declared, *refs: tuple[str, str]) -> dict[Any, EntityView]:
    return await views.of(None, cast(Any, declared), refs)


async def test_each_is_read_once_also_who_is_not_there(store: Store) -> None:
    views, declared = Views(cast(Any, store)), Declared()
    assert set(await of(views, declared, A, GONE)) == {A}
    assert set(await of(views, declared, B, A, GONE)) == {B, A}
    assert await of(views, declared, A, B, GONE) == await of(views, declared, A, B)
    assert store.asked == [[A, GONE], [B]]


async def test_under_other_declarations_all_is_read_anew(store: Store) -> None:
    views, first, then = Views(cast(Any, store)), Declared(), Declared()
    await of(views, first, A)
    assert (await of(views, then, A))[A].values == {"asked": "2"}
    assert (await of(views, first, A))[A].values == {"asked": "3"}


async def test_no_more_is_kept_than_may_be(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "VIEWS_KEPT", 2)
    views, declared = Views(cast(Any, store)), Declared()
    for refs in ([A], [B], [GONE], [A]):
        await of(views, declared, *refs)
        assert len(views._known) <= 2
    assert set(await of(views, declared, A, B, GONE)) == {A, B}, "as many as are asked for at once are given"
