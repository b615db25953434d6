"""What the approver lists, rebuilt from the ledger: the same after a real case, repaired after an alteration."""

from __future__ import annotations

import pytest
from approver.main import SERVICE
from support.office import Office
from support.rebuilding import altered_and_healed, changed, rebuilt, table

pytestmark = pytest.mark.integration


async def executing(office: Office) -> None:
    """A case whose second step waits for somebody's word."""
    await office.open_gap()
    await office.decide("j.moreau", "confirm", comment="The draft exists.")
    await office.make(office.walk.draft)
    await office.decide("l.hansen", "approve")
    await office.decide("r.osei", "approve")
    await office.make(office.walk.start, lambda: office.walk.intend(1), lambda: office.walk.succeed(1))
    await office.decide("p.nakamura", "release", step=2)
    await office.make(lambda: office.walk.intend(2))


async def test_after_a_case_rebuilt_and_live_are_the_same_and_an_alteration_is_found(office: Office) -> None:
    await executing(office)
    (line,) = await table(office.pool, "approver.cases")
    assert line["people"], "somebody may decide"
    alterations = [
        ("cases", "UPDATE approver.cases SET stage = 'closed'"),
        ("cases", "UPDATE approver.cases SET ticket_open = NOT ticket_open, key = 'another'"),
        ("entities", "DELETE FROM approver.entities"),
    ]
    await altered_and_healed(office.realm, office.pool, SERVICE, alterations)


async def test_a_line_that_is_gone_is_made_again_and_the_approver_fills_in_for_whom_it_waits(office: Office) -> None:
    await executing(office)
    (before,) = await table(office.pool, "approver.cases")
    tasks = await table(office.pool, "approver.tasks")
    await office.pool.execute("DELETE FROM approver.cases")
    await office.pool.execute("DELETE FROM approver.tasks")
    assert changed(await rebuilt(office.realm, SERVICE)) == {"cases": 1, "tasks": 1}
    (made,) = await table(office.pool, "approver.cases")
    assert {name: made[name] for name in made if name not in ("people", "body")} == {
        name: before[name] for name in before if name not in ("people", "body")
    }
    assert made["people"] == []
    office.delivered = -1
    await office.deliver()
    assert await table(office.pool, "approver.cases") == [before]
    assert await table(office.pool, "approver.tasks") == tasks
