"""A service's own login, and events that the database could take for what they are not: each would stop the sealer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.ledger import Ledger
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration
APPEND = "SELECT * FROM ledger.append($1::text[], $2::int[], $3)"
DEEPEST = 255


def said(service: str = "observer", **attributes: Any) -> str:
    """An event's text, with these attributes instead of its own."""
    return json.dumps({**an_event(service, case="thing/x/1").envelope(), "streamversion": 1, **attributes})


def nested(levels: int) -> str:
    """An event whose innermost object or array is at this depth; the envelope is the first."""
    return said(data={}).replace('"data": {}', '"data": ' + '{"x":[' * (levels // 2) + "]}" * (levels // 2))


TEXT = [
    "specversion", "id", "source", "type", "subject", "time", "asof", "actor",
    "caseid", "correlationid", "causationid", "traceparent", "signature",
]  # fmt: skip
MALFORMED: dict[str, Callable[[], str]] = {
    **{
        f"{attribute} {value!r}": lambda attribute=attribute, value=value: said(**{attribute: value})  # type: ignore[misc]
        for attribute in TEXT
        for value in (5, -1.5, 1e300, True, False, {}, ["x"])
    },
    "specversion 1.0": lambda: said(specversion=1.0),
    **{
        f"{missing} is missing": lambda missing=missing: json.dumps(  # type: ignore[misc]
            {key: value for key, value in an_event().envelope().items() if key != missing}
        )
        for missing in ("specversion", "id", "time", "asof", "actor", "data")
    },
    **{
        f"streamversion {value!r}": lambda value=value: said(streamversion=value)  # type: ignore[misc]
        for value in ("1", 1.0, 1e3, True, [1], {"x": 1}, -1, 10**30)
    },
    **{
        f"data {value!r}": lambda value=value: said(data=value)  # type: ignore[misc]
        for value in ("x", "{}", 5, [], None, True)
    },
    **{
        f"time {end!r}": lambda end=end: said(time=an_event().time[:19] + end)  # type: ignore[misc]
        for end in ("", "z", "+00:00", ".1Z", "Z ", "Z\n", "Zrubbish", ".1234567Z", ".000000Z; DROP")
    },
    "too deep": lambda: nested(DEEPEST + 1),
    "much too deep": lambda: nested(3000),
}


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("made", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_envelope_is_refused_and_its_neighbour_is_not(
    database: Realm, made: Callable[[], str], apart: bool
) -> None:
    async with connected(database, "observer", size=1) as pool:
        alone = await pool.fetchrow(APPEND, [made()], [0], apart)
        assert alone["reason"] in ("malformed_event", "forbidden_stream"), alone
        both = await pool.fetch(APPEND, [said(), made()], [0, 1], apart)
        assert [row["reason"] for row in both] == [None, alone["reason"]]


@pytest.mark.parametrize("apart", [True, False])
async def test_what_looks_like_something_else_and_is_text_is_taken(database: Realm, apart: bool) -> None:
    digits = str(int(name(), 16))
    odd = [
        said(id=digits, caseid="5"), said(id=digits + "e5", caseid="true"), said(id="{" + name(), caseid="[x]"),
        said(id="-" + digits, caseid="1.0"), said(id="[" + name(), caseid=""), nested(DEEPEST - 1),
        said(data={"x": "{[" * 300}), said(data={"x": [{}] * 300}), said(caseid=None, signature="x", traceparent="y"),
    ]  # fmt: skip
    async with connected(database, "observer", size=1) as pool:
        [row] = await pool.fetch(APPEND, odd, list(range(len(odd))), apart)
        assert (row["request"], row["reason"]) == (None, None)
        for recorded in await Ledger(pool).read_positions(pool, [row["positions"][0]]):
            assert (recorded.event.id, recorded.event.caseid) == (digits, "5")
