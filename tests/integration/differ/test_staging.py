"""What a rebuild lets the database take out of the ledger by itself comes to what the handlers make of it."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import orjson
import pytest
from common.clock import instant
from common.current import Current
from common.entities import EntityStore, piling
from common.entities.projection import TABLES, EntityTables
from common.errors import Permanent
from common.events import Event
from common.events.envelope import parsed
from common.events.observer import EntityObserved
from common.ids import entity_stream
from common.ledger import Recorded
from common.projections import SHADOW
from support.differ_realm import START, DifferRealm, days
from support.rebuilding import table

pytestmark = pytest.mark.integration
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: finding}
spec:
  about: One finding.
  source: findings
  key: id
  attributes: {desk: {from: desk}}
  related: {files: {count: file, through: finding}}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: file}
spec:
  about: Something that names a finding.
  source: files
  key: id
  attributes: {finding: {from: finding}}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: retest}
spec:
  about: A case made of events.
  source: retests
  key: id
  events: {activity: what, at: time}
  attributes: {desk: {from: desk}}
"""
FEEDS = ('a "quoted" one', "back\\slash", "zweiter ü", "control-testing")
WORDS = (
    "plain", "ümläut \U0001f600", "\x01\x1f\n", "\x7f", 'with "quotes" and \\', "3e5 2024-01-01T24:00:00Z", "9" * 400,
    '},"sequence":7,"source_time":"', "\u2028", "",
)  # fmt: skip
Write = Callable[[dict[str, Any]], str]
Stretches = list[tuple[int, int]]
Filling = Callable[[DifferRealm, EntityStore, Stretches], Awaitable[int]]


def _data(chance: random.Random) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "1", "finding": f"K{chance.randrange(6)}", "desk": chance.choice(WORDS), "what": "open",
        "time": instant(START), "data": {"row": {"sequence": chance.randrange(9)}}, "row": [True, None, -7, "x"],
    }  # fmt: skip
    at = START + days(chance.randrange(4) / 4)
    odd = chance.random() < 0.3
    data: dict[str, Any] = {
        "entity_type": chance.choice(("finding", "file", "retest", "unheard of")),
        "key": chance.choice((f"K{chance.randrange(6)}", "ü/1", 'K"' if odd else "K")),
        "feed": chance.choice(FEEDS[2 * (not odd) :]),
        "row": {name: row[name] for name in sorted(row) if chance.random() < 0.8},
        "source_time": chance.choice(_times(at)) if odd else instant(at),
        "upstream_id": chance.choice(("m-1", "\x02" if odd else "m-2")),
    }
    simulated = odd and chance.random() < 0.3
    for name, value in (("sequence", chance.randrange(3)), ("origin", "bus"), ("simulated", simulated)):
        if chance.random() < (0.8 if odd or name != "simulated" else 1):
            data[name] = value
    return data


def _times(at: Any) -> tuple[str, ...]:
    return (
        at.isoformat(), f"{at:%Y-%m-%dT%H:%M:%S}+02:00", f"{at:%Y-%m-%dT%H:%M:%S}.500000Z",
        f"{at:%Y-%m-%dT%H:%M:%S}.000001Z", f"{at:%Y-%m-%d %H:%M:%S}+00", f"{at:%Y%m%dT%H%M%S}Z",
    )  # fmt: skip


def _canonical(data: dict[str, Any]) -> str:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()


def _spaced(data: dict[str, Any]) -> str:
    return json.dumps(data)


def _floating(data: dict[str, Any]) -> str:
    return _canonical({**data, "row": {"amount": 1.5, "more": 1e300, "none": -0.0}})


def _twice(data: dict[str, Any]) -> str:
    return _canonical(data)[:-1] + ',"key":"K0"}'


def _row_twice(data: dict[str, Any]) -> str:
    return _canonical({**data, "row": {}}).replace('"row":{}', '"row":{"a":1,"b":2,"a":[3]}')


def _without_sequence(data: dict[str, Any]) -> str:
    return _canonical({**data, "sequence": None})


def _more(data: dict[str, Any]) -> str:
    return _canonical({**data, "since": "later"})


ODD: tuple[Write, ...] = (_spaced, _floating, _twice, _row_twice, _without_sequence, _more)


async def _append(realm: DifferRealm, texts: list[str]) -> list[Recorded]:
    """Events with these data, appended by a writer that writes them as it likes."""
    now = instant(realm.wall)
    events = []
    for text in texts:
        data = parsed(text)
        stream = entity_stream("finding", secrets.token_hex(8))
        event = Event(
            id=secrets.token_hex(16), source="observer", type=EntityObserved.TYPE, subject=stream, time=now, asof=now,
            actor="service:observer", data=data,
        )  # fmt: skip
        raw = orjson.dumps(event.envelope(), option=orjson.OPT_SORT_KEYS).decode()
        events.append(raw.replace(orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode(), text))
    return await _stored(realm, events)


async def _stored(realm: DifferRealm, events: list[str]) -> list[Recorded]:
    head = await realm.ledger.head(realm.pool)
    rows = await realm.connections["observer"].fetch(
        "SELECT reason FROM ledger.append($1::text[], $2::int[])", events, list(range(len(events)))
    )
    assert [row[0] for row in rows] == [None], rows
    stored = await realm.ledger.read_after(realm.pool, head, len(events))
    assert [item.raw.decode() for item in stored] == events
    return stored


async def _store(realm: DifferRealm, prefix: str) -> EntityStore:
    for item in TABLES:
        await realm.pool.execute(f"CREATE TABLE differ.{prefix}{item.name} (LIKE differ.{item.name} INCLUDING ALL)")
    store = EntityStore("differ", prefix=prefix)
    await store.begin(realm.pool)
    return store


async def _held(realm: DifferRealm, prefix: str, *, parse: bool) -> dict[str, list[dict[str, Any]]]:
    held = {item.name: await table(realm.pool, f"differ.{prefix}{item.name}") for item in TABLES}
    for name in ("entities", "entity_events") if parse else ():
        for row in held[name]:
            row["row"] = None if row["row"] is None else json.loads(row["row"], parse_float=Decimal)
        held[name].sort(key=lambda row: repr(row | {"row": None}))
    return held


async def _apply(realm: DifferRealm, store: EntityStore, batches: list[list[Recorded]]) -> None:
    catalogue = await Current(realm.ledger).catalogue(realm.pool)
    for batch in batches:
        async with realm.pool.acquire() as conn, conn.transaction():
            await store.apply(conn, batch, catalogue)


async def _caught_up(realm: DifferRealm, store: EntityStore, stretches: Stretches) -> int:
    """Fill the store as one that follows the ledger is; returns how many observations the database did not take."""
    catalogue = await Current(realm.ledger).catalogue(realm.pool)
    left = 0
    for number, (after, until) in enumerate(stretches):
        async with realm.pool.acquire() as conn, conn.transaction():
            await store.staging.ensure(conn, number % 2)
            others = await store.staging.stage(conn, number % 2, after, until, until)
            left += _observations(others)
            await store.fill(conn, others, catalogue, number % 2)
    return left


async def _rebuilt(realm: DifferRealm, store: EntityStore, stretches: Stretches) -> int:
    """The same as a rebuild does."""
    entities = EntityTables("differ", realm.ledger, behind=False)
    left = 0
    async with realm.pool.acquire() as reader, realm.pool.acquire() as conn:
        await entities.begin(conn, 2)
        for number, (after, until) in enumerate(stretches):
            others = await entities.stage(reader, number % 2, after, until)
            left += _observations(others)
            async with conn.transaction():
                await entities.fold(conn, others, number % 2)
        async with conn.transaction():
            await entities.settle(conn)
    return left


def _observations(items: list[Recorded]) -> int:
    return sum(item.content[0] == EntityObserved.TYPE for item in items)


FILLED: dict[str, tuple[str, Filling]] = {
    "caught up": ("caught_", _caught_up),
    "rebuilt": (SHADOW, _rebuilt),
    "rebuilt, in little piles": (SHADOW, _rebuilt),
}


@pytest.fixture(params=FILLED)
def filling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Filling]:
    """What the tables' names begin with, and how they are filled."""
    if "little" in request.param:
        monkeypatch.setattr(piling, "MOST", 40)
    return FILLED[request.param]


def _cut(chance: random.Random, items: list[Any]) -> list[list[Any]]:
    """In pieces, some of them twice, in any order."""
    at = sorted({0, len(items), *(chance.randrange(len(items)) for _ in range(4))})
    pieces = [items[start:end] for start, end in pairwise(at)]
    pieces += chance.sample(pieces, 1)
    chance.shuffle(pieces)
    return pieces


@pytest.mark.parametrize("seed", range(5))
async def test_filled_is_applied_in_any_order_however_often_and_however_it_is_written(
    replay: DifferRealm, seed: int, filling: tuple[str, Filling]
) -> None:
    chance = random.Random(seed)
    await replay.create()
    await replay.activate(PAGE)
    start = await replay.ledger.head(replay.pool)
    writes = [chance.choice(ODD) if chance.random() < 0.2 else _canonical for _ in range(120)]
    await _append(replay, [write(_data(chance)) for write in writes])
    for number in range(3):
        await replay.withdraw("finding", f"K{number}", START + days(chance.random()))
        await replay.snapshot("finding", START + days(chance.random()), "K0", "K9")
    events = await replay.ledger.read_after(replay.pool, start, 1_000)
    shuffled = chance.sample(events, len(events))
    prefix, fill = filling
    applied, filled = await _store(replay, "applied_"), await _store(replay, prefix)
    await _apply(replay, applied, _cut(chance, shuffled))
    pieces = _cut(chance, list(range(start + 1, start + 1 + len(events))))
    left = await fill(replay, filled, [(piece[0] - 1, piece[-1]) for piece in pieces])
    assert 0 < left < len(events) // 2 + sum(map(len, pieces)) - len(events), "the database took most by itself"
    assert await _held(replay, prefix, parse=True) == (expected := await _held(replay, "applied_", parse=True))
    assert all(expected[name] for name in ("entities", "entity_events", "entity_links", "sources"))


async def test_what_services_write_is_kept_byte_by_byte_and_never_read_here(
    replay: DifferRealm, filling: tuple[str, Filling]
) -> None:
    chance = random.Random(1)
    await replay.create()
    await replay.activate(PAGE)
    start = await replay.ledger.head(replay.pool)
    written = []
    for key in range(40):
        data = _data(chance) | {"key": f"K{key % 30}", "feed": "findings", "source_time": instant(START)}
        data |= {
            "upstream_id": "1",
            "simulated": False,
            "row": {"desk": 'ü \U0001f600 \\ "9e5', "n": [-1, 2**53 - 1]},
        }
        written.append(_canonical(data))
    events = await _append(replay, written)
    prefix, fill = filling
    applied, filled = await _store(replay, "applied_"), await _store(replay, prefix)
    await _apply(replay, applied, [events])
    assert await fill(replay, filled, [(start, start + 40)]) == 0
    assert await _held(replay, prefix, parse=False) == await _held(replay, "applied_", parse=False)


def _marked(key: str, **row: Any) -> str:
    """Data as a service writes it."""
    data = {"entity_type": "finding", "feed": "findings", "key": key, "row": row, "sequence": 3, "simulated": False}
    return _canonical(data | {"source_time": instant(START), "upstream_id": "m-1"})


def _marks_elsewhere() -> dict[str, str]:
    """By key: attributes of an event, `data` among them, with what marks the pieces of a plain one where it marks
    nothing."""
    like, type_ = _marked("WRONG", desk="wrong"), '"datacontenttype":"application/json"'
    rows: dict[str, dict[str, Any]] = {
        "row in row": {"a": "x", "row": {"b": 1}, "z": {"row": {}}},
        "sequence in row": {"a": {"b": 1}, "sequence": 7},
        "sequences in row": {"a": {"b": 1}, "sequence": "7,", "z": {"sequence": 8}},
        "time in row": {"a": 1, "simulated": False, "source_time": instant(START + days(1))},
        "all in row": {"a": orjson.loads(like), "z": like},
        "words": {"a": '","row":{', "z": '},"sequence":7,"simulated":false,"source_time":"'},
    }
    found = {key: f'"data":{_marked(key, **row)},{type_}' for key, row in rows.items()}
    plain = {
        key: json.dumps(orjson.loads(_marked(key, desk="right"))) for key in ("before", "braces", "behind", "escaped")
    }
    return found | {
        "before": f'"data":{plain["before"]},"extra":{{"a":1,"data":{like},{type_},"b":2}},{type_}',
        "braces": f'"a{{{{":1,"data" :{plain["braces"]},"extra":{{"a":1,"data":{like},{type_},"b":2}},{type_}',
        "behind": f'"data":{like},{type_},"data":{plain["behind"]}',
        "escaped": f'"data":{like},{type_},"d\\u0061ta":{plain["escaped"]}',
        "Kü": '"data":' + _marked("KEY").replace("KEY", "K\\u00fc") + f",{type_}",
        'K"': '"data":' + _marked("KEY").replace("KEY", 'K\\"') + f",{type_}",
        "upstream": '"data":' + _marked("upstream").replace("m-1", 'm\\"') + f",{type_}",
        "digits": '"data":' + _marked("digits").replace("{}", '{"n":12345678901234567890123}') + f",{type_}",
        "places": '"data":' + _marked("places").replace("{}", '{"n":[0.12345678901234567891]}') + f",{type_}",
        "first": '"data":{"key":"WRONG",' + _marked("first")[1:] + f",{type_}",
        "more": '"data":' + _marked("more")[:-1] + f',"sequence":9}},{type_}',
        "beside the row": '"data":'
        + _marked("beside the row").replace(',"seq', ',"rows":{"a":1},"seq')
        + f",{type_}",
        "sequence below": '"data":' + _marked("sequence below").replace(":3,", ":-3,") + f",{type_}",
        "feed of a feed": '"data":' + _marked("feed of a feed").replace('"findings"', '"a","feed":"b"') + f",{type_}",
    }


async def test_marks_that_stand_elsewhere_mean_nothing(replay: DifferRealm, filling: tuple[str, Filling]) -> None:
    await replay.create()
    await replay.activate(PAGE)
    now, start = instant(replay.wall), await replay.ledger.head(replay.pool)
    odd = _marks_elsewhere()
    events = await _stored(
        replay,
        [
            f'{{"actor":"service:observer","asof":"{now}",{text},"id":"{number}","source":"observer",'
            f'"specversion":"1.0","subject":"entity/finding/{number}","time":"{now}","type":"{EntityObserved.TYPE}"}}'
            for number, text in enumerate(odd.values())
        ],
    )
    prefix, fill = filling
    applied, filled = await _store(replay, "applied_"), await _store(replay, prefix)
    await _apply(replay, applied, [events])
    await fill(replay, filled, [(start, start + len(events))])
    assert (held := await _held(replay, prefix, parse=True)) == await _held(replay, "applied_", parse=True)
    assert {row["key"] for row in held["entities"]} == set(odd)


BROKEN = {
    "no such day": ("source_time", '"2023-02-30T00:00:00Z"'),
    "no such hour": ("source_time", '"2023-02-03T24:00:00Z"'),
    "no such second": ("source_time", '"2023-02-03T00:00:60Z"'),
    "no year": ("source_time", '"0000-02-03T00:00:00Z"'),
    "no zone": ("source_time", '"2023-02-03T00:00:00"'),
    "no time": ("source_time", "17"),
    "no number": ("row", '{"n":1e400}'),
    "no number, and long": ("row", '{"n":' + "9" * 400 + "}"),
    "no number beside the data": ("extra", "1e400"),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_no_handler_can_read_is_refused_as_the_handlers_refuse_it(
    replay: DifferRealm, broken: str, filling: tuple[str, Filling]
) -> None:
    await replay.create()
    await replay.activate(PAGE)
    start = await replay.ledger.head(replay.pool)
    name, value = BROKEN[broken]
    good = {
        "entity_type": "file",
        "feed": "f",
        "key": "K",
        "row": {},
        "simulated": False,
        "source_time": instant(START),
        "upstream_id": "",
    }
    text = _canonical(good | {name: "HERE"} if name in good else good).replace('"HERE"', value)
    beside = "" if name in good else f'"{name}":{value},'
    now = instant(replay.wall)
    event = (
        f'{{"actor":"service:observer","asof":"{now}","data":{text},"datacontenttype":"application/json",{beside}"id":"odd",'
        f'"source":"observer","specversion":"1.0","subject":"entity/file/K","time":"{now}","type":"{EntityObserved.TYPE}"}}'
    )
    await replay.connections["observer"].fetch(
        "SELECT reason FROM ledger.append($1::text[], $2::int[])", [event], [0]
    )
    prefix, fill = filling
    applied, filled = await _store(replay, "applied_"), await _store(replay, prefix)
    with pytest.raises(Permanent) as one:
        await _apply(replay, applied, [await replay.ledger.read_after(replay.pool, start, 10)])
    with pytest.raises(Permanent) as other:
        await fill(replay, filled, [(start, start + 1)])
    assert one.value.reason_code == other.value.reason_code == "malformed_event"
