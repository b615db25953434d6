"""A service's own login, and events that are no envelopes: taken, they would stop the sealer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import orjson
import pytest
from cli.stack.realm import Realm
from common.ledger import Ledger, role_name
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration
APPEND = "SELECT * FROM ledger.append($1::text[], $2::int[], $3)"
ONE = "SELECT ledger.append_one($1)"
HEAD = "SELECT position FROM ledger.head"
DEEPEST = 255


def said(service: str = "observer", **attributes: Any) -> str:
    """An event's text, with these attributes instead of its own."""
    return json.dumps({**an_event(service, case="thing/x/1").envelope(), "streamversion": 1, **attributes})


def written(**attributes: Any) -> str:
    """The same as services write it: in the order of the names, without spaces."""
    own = {**an_event(case="thing/x/1").envelope(), "streamversion": 1, **attributes}
    return orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode()


def nested(levels: int, make: Callable[..., str] = said) -> str:
    """An event whose innermost object or array is at this depth; the envelope is the first."""
    inner = '{"x":[' * (levels // 2) + "]}" * (levels // 2)
    return re.sub(r'("data": ?){}', lambda found: found[1] + inner, make(data={}))


TEXT = [
    "specversion", "id", "source", "type", "subject", "time", "asof", "actor",
    "caseid", "correlationid", "causationid", "traceparent", "signature",
]  # fmt: skip
WRONG: dict[str, list[Any]] = {
    **{attribute: [5, -1.5, 1e300, True, False, {}, ["x"]] for attribute in TEXT},
    "streamversion": ["1", 1.0, 1e3, True, [1], {"x": 1}, -1, 10**30],
    "data": ["x", "{}", 5, [], None, True],
}
WRITTEN: dict[str, list[Any]] = {
    **{attribute: [5, -1.5, 1e300, True, {}, ["x"]] for attribute in TEXT},
    "streamversion": ["1", 1.5, True, [1], {"x": 1}, -1],
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
    **{
        f"{key} {value!r}, as services write it": partial(written, **{key: value})
        for key, values in WRITTEN.items()
        for value in values
    },
    **{f"{key} null, as services write it": partial(written, **{key: None}) for key in MISSING},
    "specversion 1.0": partial(said, specversion=1.0),
    **{f"no {attribute}": partial(without, attribute) for attribute in MISSING},
    **{f"time {end!r}": lambda end=end: said(time=an_event().time[:19] + end) for end in AFTER},  # type: ignore[misc]
    **{
        f"time {end!r}, as services write it": lambda end=end: written(time=an_event().time[:19] + end)  # type: ignore[misc]
        for end in AFTER
    },
    "too deep": partial(nested, DEEPEST + 1),
    "too deep, as services write it": partial(nested, DEEPEST + 1, written),
    "much too deep": partial(nested, 3000),
}


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("made", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_envelope_is_refused_and_its_neighbour_is_not(
    database: Realm, made: Callable[[], str], apart: bool
) -> None:
    async with connected(database, "observer", size=1) as pool:
        head = await pool.fetchval(HEAD)
        assert await pool.fetchval(ONE, made()) is None
        assert await pool.fetchval(HEAD) == head
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


@pytest.mark.parametrize(
    "attributes",
    [
        {}, {"caseid": "thing/x/1"}, {"streamversion": 1},
        {"correlationid": "a", "causationid": "b", "traceparent": "c"},
        {"data": {}}, {"data": {"x": ',"caseid":null', "y": [None, {"a": "\u001f\"\\ü€😀"}]}}, {"caseid": 'a"b\\c\n'},
        {"time": "now"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_services_write_is_taken_alone_at_once(database: Realm, attributes: dict[str, Any]) -> None:
    event = replace(an_event(), **{key: value for key, value in attributes.items() if key != "time"})
    if "time" in attributes:
        event = replace(event, time=event.time[:19] + "Z")
    async with connected(database, "observer", size=1) as pool:
        position = await pool.fetchval(ONE, event.encode().decode())
        assert position == await pool.fetchval(HEAD)
        row = await pool.fetchrow("SELECT * FROM ledger.events WHERE position = $1", position)
        assert (row["event"].encode(), row["version"], row["case_id"]) == (event.encode(), 1, event.caseid)
        assert await pool.fetchval(ONE, event.encode().decode()) is None, "what is stored is not stored again"


async def test_the_trigger_s_words_hold_for_each_type_that_it_checks(database: Realm) -> None:
    admin = await asyncpg.connect(database.admin_url)
    try:
        checks = await admin.fetchval("SELECT pg_get_functiondef('ledger.check_privileged()'::regprocedure)")
        trigger = await admin.fetchval(
            "SELECT pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger "
            "WHERE tgname = 'privileged' AND tgrelid = 'ledger.events'::regclass"
        )
        [condition] = re.findall(r"WHEN \((.*)\) EXECUTE", trigger)
        types = set(re.findall(r"'(trueup\.[a-z.]+\.v1)'", checks))
        assert len(types) == 15
        asked = (
            f"SELECT type FROM unnest($1::text[]) AS t (type) WHERE NOT ({condition.replace('new.type', 't.type')})"
        )
        usual = "trueup.entity.observed.v1"
        assert await admin.fetch(asked, [*types, usual]) == [], "whoever isn't the owner meets it with any type"
        await admin.execute(f"SET ROLE {role_name(database.name, 'owner')}")
        assert [row["type"] for row in await admin.fetch(asked, [*types, usual])] == [usual]
    finally:
        await admin.close()
