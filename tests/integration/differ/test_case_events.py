"""Cases made of events: whatever the order, the cut, the repetition and the lateness, the same is known and said."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from common.clock import instant, parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.computing import Happened
from common.declarations.evaluation import CompiledDesiredState, EntityView, Origin, evaluate
from common.declarations.loader import load
from common.declarations.objectives import window
from common.entities import EntityStore, Following
from common.entities.rows import NO_SEQUENCE
from common.events import typed
from common.events.differ import ObjectiveSnapshot
from common.events.observer import EntityObserved, EntityWithdrawn
from common.ids import entity_stream
from common.ledger import Recorded
from common.objectives.contributing import NOBODY, Passed, begin_of, contribution, has_passed, measured
from differ.adapters.objectives import ObjectiveTable
from differ.main import SERVICE
from support.differ_realm import START, DifferRealm, days
from support.rebuilding import changed, rebuilt, table

pytestmark = pytest.mark.integration
ROLLING = "rolling 2 days"
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: application}
spec:
  about: One application.
  source: loans
  key: case
  events: {activity: what, at: time}
  attributes:
    amount: {from: amount, read: number}
    desk: {from: desk}
  computed:
    opened: first('open')
    closed: last('close')
    waiting: between('ask', 'answer')
    given_up: seen('cancel') && !seen('resume')
  related:
    files: {count: file, through: application}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: file}
spec:
  about: Something that names an application.
  source: files
  key: id
  attributes: {application: {from: application}, desk: {from: desk}}
  related:
    served: {count: application, through: desk, as: desk, where: known_amount > 1}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: quick}
spec:
  statement: Quick.
  basis: Policy
  owner: somebody
  effective: 2023-07-01
  selector: {entity: application, where: "!given_up"}
  done: known(closed)
  severity: {medium: otherwise}
  deadlines:
    - {name: two-days, expect: done, by: opened, plus: 2 days, says: "Open since {opened}."}
  objectives:
    - {name: ours, mean: {from: opened, to: closed, without: waiting}, atMost: 1 day, window: rolling 5 days}
    - {name: most, p90: {from: opened, to: closed}, atMost: 2 days}
    - {name: kept, share: met('two-days'), atLeast: 90 %}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: approvals}
spec:
  covers: quick
  confirmGap: {lead: 1}
  approvePlan: [{when: "true", roles: {lead: 1}}]
  releaseStep: {lead: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 days
""".replace("known_amount", "amount")
WHAT = ("open", "close", "ask", "answer", "cancel", "resume")


def catalogue() -> Catalogue:
    loaded = load(PAGE, "page.yaml")
    assert not loaded.problems, loaded.problems
    return Catalogue().with_documents(loaded.documents)


async def happens(
    realm: DifferRealm, key: str, what: str, at: Any, sequence: int | None = None, **cells: Any
) -> Recorded:
    row = {"case": key, "what": what, **cells}
    data = EntityObserved(
        entity_type="application", key=key, feed="loans", row=row, source_time=instant(at),
        upstream_id=str(realm.serial), sequence=sequence,
    )  # fmt: skip
    return await realm.append("observer", entity_stream("application", key), data)


async def filed(realm: DifferRealm, key: str, application: str, at: Any, desk: str) -> Recorded:
    row = {"id": key, "application": application, "desk": desk}
    data = EntityObserved(
        entity_type="file", key=key, feed="files", row=row, source_time=instant(at), upstream_id=str(realm.serial)
    )
    return await realm.append("observer", entity_stream("file", key), data)


async def withdrawn(realm: DifferRealm, key: str, at: Any) -> Recorded:
    data = EntityWithdrawn(
        entity_type="application", key=key, feed="loans", source_time=instant(at), upstream_id=str(realm.serial)
    )
    return await realm.append("observer", entity_stream("application", key), data)


def _cells(chance: random.Random, desk: str) -> list[dict[str, Any]]:
    return [{}, {"amount": chance.randint(0, 3)}, {"desk": desk}]


async def history(realm: DifferRealm, chance: random.Random, count: int, withdrawals: bool = True) -> list[Recorded]:
    """Events of few cases at few times, some equal; files that name them; withdrawals."""
    found = []
    for _ in range(count):
        at = START - days(6) + timedelta(hours=chance.randint(0, 6 * 24 - 1))
        key, desk = f"A-{chance.randint(1, 4)}", chance.choice(["north", "south"])
        match chance.randint(0, 9):
            case 0:
                found.append(await filed(realm, f"F-{chance.randint(1, 2)}", key, at, desk))
            case 1 if withdrawals:
                found.append(await withdrawn(realm, key, at))
            case _:
                cells = chance.choice(_cells(chance, desk))
                sequence = chance.choice([None, 1, 2])
                found.append(await happens(realm, key, chance.choice(WHAT), at, sequence, **cells))
    return found


async def known(realm: DifferRealm) -> list[Any]:
    store = EntityStore("differ")
    refs = [("application", f"A-{n}") for n in range(1, 5)] + [("file", f"F-{n}") for n in range(1, 3)]
    async with realm.pool.acquire() as conn, conn.transaction():
        views = await store.views(conn, catalogue(), refs)
    return sorted((ref, sorted(view.values.items()), str(view)) for ref, view in views.items())


async def forget(realm: DifferRealm) -> None:
    for name in ("entities", "entity_events", "entity_links"):
        await realm.pool.execute(f"DELETE FROM differ.{name}")
    await realm.pool.execute("UPDATE differ.entity_progress SET position = -1, links = ''")


@pytest.mark.parametrize("seed", range(4))
async def test_the_store_knows_the_same_of_cases_in_any_order(replay: DifferRealm, seed: int) -> None:
    await replay.create()
    chance = random.Random(seed)
    events = await history(replay, chance, 40)
    everything = catalogue()

    async def apply(batch: list[Recorded]) -> None:
        async with replay.pool.acquire() as conn, conn.transaction():
            await EntityStore("differ").apply(conn, batch, everything)

    await apply(events)
    expected = await known(replay)
    assert len(expected) > 2, "nothing happened"
    for _ in range(3):
        await forget(replay)
        shuffled = chance.sample(events, len(events)) + chance.choices(events, k=8)
        while shuffled:
            cut = chance.randint(1, 8)
            await apply(shuffled[:cut])
            shuffled = shuffled[cut:]
        assert await known(replay) == expected
    await forget(replay)
    async with replay.pool.acquire() as conn, conn.transaction():
        assert await Following(EntityStore("differ"), replay.ledger).changes(conn, everything)
    assert await known(replay) == expected


def recomputed(events: list[Recorded], asof: datetime = START) -> dict[str, Any]:
    """Every objective of `quick` as of an instant, from all events at once, without a store."""
    everything = catalogue()
    state, reader = everything.compiled("quick"), everything.readers["application"]
    cases: dict[str, list[Happened]] = {}
    for item in events:
        data = item.event.data
        if item.event.type == EntityObserved.TYPE and data["entity_type"] == "application":
            at = EntityObserved.of(item.event).source_time
            sequence = data.get("sequence", NO_SEQUENCE)
            happened = Happened(parse_instant(at), sequence, item.event.id, data["row"])
            cases.setdefault(data["key"], []).append(happened)
    views = [
        EntityView("application", key, reader.read_case(found).values, Origin("s", "e"))
        for key, found in cases.items()
    ]
    result = {}
    for objective in state.objectives:
        every = [contribution(objective, state, evaluate(state, view, asof)) for view in views]
        found = measured(objective, [one for one in every if one is not None], asof, state.zone)
        value = found.measure.value
        result[objective.name] = (
            found.measure.verdict,
            None if value is None else f"{value.numerator}/{value.denominator}",
            found.measure.sample,
            found.population,
        )
    return result


@pytest.mark.parametrize("seed", range(4))
async def test_objectives_over_cases_are_those_of_a_full_recomputation(replay: DifferRealm, seed: int) -> None:
    await replay.begin(PAGE)
    chance = random.Random(seed)
    events = await history(replay, chance, 40, withdrawals=False)
    shuffled = chance.sample(events, len(events)) + chance.choices(events, k=8)
    while shuffled:
        cut = chance.randint(1, 8)
        await replay.deliver(*shuffled[:cut])
        if chance.random() < 0.5:
            await replay.measure()
        shuffled = shuffled[cut:]
    await replay.measure()
    expected = recomputed(events)
    state = catalogue().compiled("quick")
    async with replay.pool.acquire() as conn:
        parts = await ObjectiveTable().contributions(conn, state, START)
    for objective in state.objectives:
        every, passed = parts[objective.name]
        found = measured(objective, [one for _, one in every], START, state.zone, None, passed)
        value = found.measure.value
        shown = None if value is None else f"{value.numerator}/{value.denominator}"
        assert (found.measure.verdict, shown, found.measure.sample, found.population) == expected[objective.name]
    await all_but_those_passed_are_read(replay, state)
    last = {
        data.objective: data for event in await replay.events() if isinstance(data := typed(event), ObjectiveSnapshot)
    }
    assert {name: data.standing == "met" for name, data in last.items()} == {
        name: verdict == "met" for name, (verdict, *_) in expected.items()
    }


async def all_but_those_passed_are_read(replay: DifferRealm, state: CompiledDesiredState) -> None:
    """Every objective with a window: what the database leaves out is what is told apart here."""
    endless = replace(state, objectives=tuple(replace(one, window=None) for one in state.objectives))
    windowed = replace(state, objectives=tuple(replace(one, window=window(ROLLING)) for one in state.objectives))
    for asof in (START, START + days(3), START + days(9)):
        async with replay.pool.acquire() as conn:
            whole = await ObjectiveTable().contributions(conn, endless, asof)
            some = await ObjectiveTable().contributions(conn, windowed, asof)
        for objective in windowed.objectives:
            (every, nobody), (kept, passed) = whole[objective.name], some[objective.name]
            begin = begin_of(objective, asof, state.zone)
            gone = [one for _, one in every if has_passed(objective, one, begin)]
            assert sorted(key for key, _ in kept) == sorted(
                key for key, one in every if not has_passed(objective, one, begin)
            )
            assert nobody == NOBODY
            assert passed == Passed(sum(one.surely for one in gone), sum(not one.surely for one in gone))


@pytest.mark.parametrize("seed", range(3))
async def test_what_stands_at_each_midnight_of_a_replay_is_a_full_recomputation(
    replay: DifferRealm, seed: int
) -> None:
    """Days are reported when they have passed, some events days late, in any order; measured now and then."""
    await replay.begin(PAGE)
    chance = random.Random(seed)
    known: list[Recorded] = []
    late: list[Recorded] = []
    for day in range(6):
        midnight = START + days(day + 1)
        await replay.deliver(await replay.clock_to(midnight - timedelta(seconds=1)))
        new = [
            await happens(
                replay,
                f"A-{chance.randint(1, 4)}",
                chance.choice(WHAT),
                midnight - timedelta(minutes=chance.randint(1, 1_440)),
            )
            for _ in range(chance.randint(0, 9))
        ]
        late, reported = [*late, *new], []
        chance.shuffle(late)
        cut = chance.randint(0, len(late))
        late, reported = late[cut:], late[:cut]
        known += reported
        while reported:
            cut = chance.randint(1, 4)
            await replay.deliver(*reported[:cut])
            reported = reported[cut:]
            if chance.random() < 0.4:
                await replay.measure()
        await replay.measure()  # what a clock that is to move waits for
        await replay.deliver(await replay.clock_to(midnight))
        last = {
            data.objective: data
            for event in await replay.events()
            if isinstance(data := typed(event), ObjectiveSnapshot)
        }
        assert {
            name: (said.standing, said.value, said.sample, said.population) for name, said in last.items()
        } == recomputed(known, midnight)


async def test_a_late_event_counts_as_if_it_had_come_in_time(replay: DifferRealm) -> None:
    await replay.begin(PAGE)
    await replay.deliver(await happens(replay, "A-1", "open", START - days(3)))
    assert await replay.said("quick/A-1/1") == ["opened"]
    newest = await happens(replay, "A-1", "ask", START - days(0.5))
    await replay.deliver(newest)
    late = await happens(replay, "A-1", "close", START - days(2))  # older than what is known already
    await replay.deliver(late)
    assert await replay.said("quick/A-1/1") == ["opened", "closed"]
    await replay.deliver(late, newest)
    assert await replay.said("quick/A-1/1") == ["opened", "closed"]


async def test_the_events_of_cases_are_rebuilt_from_the_ledger(replay: DifferRealm) -> None:
    await replay.begin(PAGE)
    for item in await history(replay, random.Random(7), 30):
        await replay.deliver(item)
    await replay.measure()
    report = await rebuilt(replay.realm, SERVICE)
    assert report.differences == [] and report.rows["entity_events"] > 20
    before = await table(replay.pool, "differ.entity_events")
    for alteration in ("DELETE FROM differ.entity_events WHERE sequence = 1",
                       "UPDATE differ.entity_events SET row = '{}' WHERE sequence = 2"):  # fmt: skip
        await replay.pool.execute(alteration)
        assert changed(await rebuilt(replay.realm, SERVICE)).keys() == {"entity_events"}
        assert await table(replay.pool, "differ.entity_events") == before


async def test_a_log_that_went_quiet_makes_its_cases_unknown_until_it_speaks_again(replay: DifferRealm) -> None:
    """What freshFor is for rows."""
    source = "---\napiVersion: trueup/v1alpha1\nkind: Source\nmetadata: {name: loans}\n"
    await replay.begin(PAGE + source + "spec: {about: Loans., quietAfter: 4 days}\n")
    case = "quick/A-1/1"
    await replay.deliver(await happens(replay, "A-1", "open", START))
    await replay.deliver(await replay.clock_to(START + days(3)))
    assert await replay.failing(case) == {"two-days": "missed"}
    await replay.deliver(await replay.clock_to(START + days(5)))
    last = (await replay.gap_events(case))[-1]
    assert (last.type, last.asof) == ("trueup.gap.undecided.v1", instant(START + days(4)))
    assert {rule["status"] for rule in last.data["rules"]} == {"unknown"}
    assert any("source_quiet: loans has said nothing since" in (rule["reason"] or "") for rule in last.data["rules"])

    # Something happens in another case: the log speaks.
    await replay.deliver(await happens(replay, "A-2", "open", START + days(5)))
    await replay.review()
    assert await replay.failing(case) == {"two-days": "missed"}
