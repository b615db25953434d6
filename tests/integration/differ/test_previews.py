"""What a proposal would change, worked out by the differ over what it knows, and what then happens."""

from __future__ import annotations

import pytest
from common.clock import instant
from common.declarations.loader import load
from common.events.differ import ChangedState, ChangePreviewed
from common.ledger import Recorded
from differ import workers
from differ.main import previewer
from support import declared
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
TEXT = FINDINGS.read_text()
NARROWER = TEXT.replace("areas.matches('[ABC]')", "areas.matches('[ABC]') && repeat").replace(
    "expect: known(due)", "expect: position != 'in progress'"
)
LATE = "June 30, 2023"


async def propose(realm: DifferRealm, text: str, file: str = "test.yaml") -> list[Recorded]:
    """A proposal that waits; returns the events that would activate it, to be put into the ledger."""
    proposed, activated = declared.events(load(text, file).documents, realm.asof)
    await realm._put("approver", proposed)
    return activated  # type: ignore[return-value]


async def preview(realm: DifferRealm) -> int:
    """Everything that waits is worked out; how many previews that took."""
    worker, count = previewer(realm.ledger, lambda: realm.wall), 0
    while True:
        async with realm.pool.acquire() as conn, conn.transaction():
            task = await worker.find(conn)
        if task is None:
            return count
        async with realm.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            asof, states = await worker.work_out(conn, task)
        async with realm.pool.acquire() as conn, conn.transaction():
            await worker.say(conn, task, asof, states)
        count += 1


async def said(realm: DifferRealm) -> list[ChangePreviewed]:
    return [ChangePreviewed.of(event) for event in await realm.events() if event.type == ChangePreviewed.TYPE]


async def population(realm: DifferRealm) -> None:
    await realm.deliver(
        await realm.observe("finding", finding("F-1", completion_date=LATE)),
        await realm.observe("finding", finding("F-2", completion_date="July 10, 2023", repeat_finding="Y")),
        await realm.observe("finding", finding("F-3", completion_date=LATE, repeat_finding="Y")),
        await realm.observe("finding", finding("F-4", corrective_action_status="Corrective action complete")),
        await realm.observe("retest", retest("R-4", "F-4")),
    )


async def test_what_is_previewed_is_what_happens(replay: DifferRealm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BATCH", 2)
    await replay.begin()
    await population(replay)
    before = len(await replay.gap_events())
    activated = await propose(replay, NARROWER)
    assert await preview(replay) == 1
    assert await preview(replay) == 0, "what was said is not said again"
    (data,) = await said(replay)
    (state,) = data.states
    assert {case.key: case.kind for case in state.cases} == {"F-1": "closes", "F-2": "opens", "F-3": "changes"}
    assert (state.opens, state.closes, state.changes, state.read, state.selected_before) == (1, 1, 1, 4, 4)
    assert len(await replay.gap_events()) == before, "a preview decides nothing"
    await replay.deliver(*await replay._put("approver", activated))  # type: ignore[arg-type]
    await replay.review()
    happened = {event.data["case"].split("/")[1]: event.type for event in (await replay.gap_events())[before:]}
    assert {key: kind.split(".")[2] for key, kind in happened.items()} == {
        "F-1": "closed", "F-2": "opened", "F-3": "changed",
    }  # fmt: skip


async def test_a_preview_knows_no_less_than_its_author(replay: DifferRealm) -> None:
    """The very first that was observed, too: its relay has never sent anything."""
    await replay.begin()
    first = await replay.observe("finding", finding("F-1", completion_date=LATE))
    second = await replay.observe("finding", finding("F-2", completion_date=LATE))
    await propose(replay, NARROWER)
    assert await preview(replay) == 0, "nothing is on the bus"
    await replay.deliver(first)
    assert await preview(replay) == 0, "one is"
    await replay.came(first.position, second.position)
    assert await preview(replay) == 0, "both are, and one is not handled"
    await replay.deliver(second)
    assert await preview(replay) == 1
    (data,) = await said(replay)
    assert [case.key for case in data.states[0].cases] == ["F-1", "F-2"]


async def test_it_is_worked_out_again_when_something_else_is_activated(replay: DifferRealm) -> None:
    await replay.begin()
    await population(replay)
    await propose(replay, NARROWER)
    await preview(replay)
    await replay.deliver(*await replay.activate(TEXT.replace("soak: 30 days", "soak: 31 days")))
    await replay.review()
    assert await preview(replay) == 1
    first, second = await said(replay)
    assert first.active != second.active
    assert first.states == second.states
    assert first.digest != second.digest


async def test_entities_are_linked_as_the_proposal_says_and_the_store_stays_as_it_is(replay: DifferRealm) -> None:
    await replay.begin()
    await population(replay)
    links = await replay.pool.fetch("SELECT * FROM differ.entity_links ORDER BY 1, 2, 3, 4")
    # Under the proposal a retest is of the finding that its own id names: F-4 has none any more.
    await propose(replay, TEXT.replace("finding:   {from: finding}", "finding:   {from: id}"))
    assert await preview(replay) == 1
    (data,) = await said(replay)
    assert [(case.key, case.kind) for case in data.states[0].cases] == [("F-4", "opens")], data.states[0]
    assert await replay.pool.fetch("SELECT * FROM differ.entity_links ORDER BY 1, 2, 3, 4") == links


async def test_a_proposal_for_later_says_from_when_on_it_counts(replay: DifferRealm) -> None:
    await replay.deliver(await replay.create())
    await population_before(replay)
    await propose(replay, TEXT.replace("effective: 2023-07-01", "effective: 2023-07-05"))
    await preview(replay)
    state: ChangedState = (await said(replay))[0].states[0]
    assert (state.in_force, state.effective, state.opens, state.change) == (False, "2023-07-05", 0, "new")


async def population_before(realm: DifferRealm) -> None:
    await realm.deliver(await realm.observe("finding", finding("F-1", completion_date=LATE)))


RENAMED = (
    TEXT.replace("    - name: fixed\n", "    - name: kept\n      formerly: [fixed]\n")
    .replace("met('fixed')", "met('kept')")
    .replace("      fixed:", "      kept:")
    .replace("    - name: none-open\n", "    - name: all-closed\n      formerly: [none-open]\n")
)


async def test_what_is_renamed_goes_on(replay: DifferRealm) -> None:
    await replay.begin()
    await population(replay)
    await replay.measure()
    cases = {event.caseid for event in await replay.gap_events()}
    await replay.deliver(await replay.clock_to(START + days(1)))
    await replay.deliver(*await replay.activate(RENAMED))
    await replay.review()
    await replay.measure()
    events = await replay.gap_events()
    assert {event.caseid for event in events} == cases
    assert not [event for event in events if event.type.endswith("closed.v1")]
    changed = [event.data["changed"] for event in events if event.type.endswith("changed.v1")]
    assert changed == [["the declaration changed", "fixed is now called kept"]] * 2
    objectives = [event for event in await replay.events() if event.subject.startswith("objective/")]
    last = next(event for event in objectives[::-1] if event.subject.endswith("/all-closed"))
    first = next(event for event in objectives if event.subject.endswith("/none-open") and "baseline" in event.data)
    assert last.data["baseline"] == first.data["baseline"]
    assert last.data["baseline"]["at"] == instant(START)
    assert (last.data["formerly"], last.streamversion) == ("none-open", 1)
    on_time = [event.data for event in objectives if event.subject.endswith("/on-time")]
    assert on_time[-1].get("baseline") == on_time[-2].get("baseline"), "the rule that it counts has another name"
