"""A service's own login, and events that are no envelopes: taken, they would stop the sealer."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
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
WRONG: dict[str, list[Any]] = {
    **{attribute: [5, -1.5, 1e300, True, False, {}, ["x"]] for attribute in TEXT},
    "streamversion": ["1", 1.0, 1e3, True, [1], {"x": 1}, -1, 10**30],
    "data": ["x", "{}", 5, [], None, True],
}
MISSING = ("specversion", "id", "source", "type", "subject", "time", "asof", "actor", "data")
AFTER = ("", "z", "+00:00", ".1Z", "Z ", "Z\n", "Zrubbish", ".1234567Z", ".000000Z; DROP")


def without(attribute: str) -> str:
    return json.dumps({key: value for key, value in an_event().envelope().items() if key != attribute})


def as_services_write_it(old: str, new: str) -> str:
    """The text of an event as it leaves a service, but for this."""
    text = an_event("observer", case="thing/x/1").encode().decode()
    assert text.count(old) == 1
    return text.replace(old, new)


MALFORMED: dict[str, Callable[[], str]] = {
    **{
        f"{attribute} said twice, as text and as a number": partial(
            as_services_write_it, ',"datacontenttype"', f',"{attribute}":5,"datacontenttype"'
        )
        for attribute in ("actor", "asof", "caseid", "correlationid")
    },
    "an id said again at the end": lambda: an_event("observer").encode().decode()[:-1] + ',"id":5}',
    "the same id again, as a number": lambda: an_event("observer", identity="5").encode().decode()[:-1] + ',"id":5}',
    "data that is a list": partial(as_services_write_it, '"data":{', '"data":[],"other":{'),
    "data and then no data": partial(as_services_write_it, ',"datacontenttype"', ',"data":[],"datacontenttype"'),
    **{f"{key} {value!r}": partial(said, **{key: value}) for key, values in WRONG.items() for value in values},
    "specversion 1.0": partial(said, specversion=1.0),
    **{f"no {attribute}": partial(without, attribute) for attribute in MISSING},
    **{f"time {end!r}": lambda end=end: said(time=an_event().time[:19] + end) for end in AFTER},  # type: ignore[misc]
    "too deep": partial(nested, DEEPEST + 1),
    "much too deep": partial(nested, 3000),
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
