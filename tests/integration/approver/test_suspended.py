"""A suspended case waits for the owner, who is shown what undoes the fixes, and signs that it may go on."""

from __future__ import annotations

import asyncio

import pytest
from approver.main import suspended
from common.errors import Refused
from common.events import Event
from common.events.differ import Cycle, GapSuspended
from support.office import Office

pytestmark = pytest.mark.integration
SAYS = "fixed: mended 3 times and undone each time (position) by feed:audit-tracker"


def suspend(office: Office) -> Event:
    gap = office.walk.case.gap
    assert gap is not None
    cycle = Cycle(
        rule="fixed", action="a", drift=gap.event.id, at=gap.event.asof, attributes=["position"],
        writer="feed:audit-tracker",
    )  # fmt: skip
    data = GapSuspended(case=office.walk.id, desired_state=gap.data.desired_state, cycles=[cycle] * 3, says=SAYS)
    return office.walk.add(data, "differ", "service:differ")


async def test_nothing_goes_on_until_the_owner_resumes_it(office: Office) -> None:
    await office.open_ticket()
    await office.make(lambda: suspend(office))
    (line,) = await asyncio.to_thread(lambda: list(office.client("j.moreau").cases(stage="suspended")))
    assert line["waits_for"] == ["head-of-compliance resumes"]
    (note,) = await suspended(office.pool)
    assert note.startswith(f"suspended, because what actions mend is undone: {office.walk.id}; ")
    page = await office.ask("j.moreau", "case", office.walk.id)
    assert (page["stage"], page["suspension"]["data"]["says"]) == ("suspended", SAYS)
    with pytest.raises(Refused, match="wrong_stage: the case is at suspended"):
        await office.decide("l.hansen", "approve")
    with pytest.raises(Refused, match="role_not_held"):
        await office.decide("l.hansen", "resume")
    assert await office.decide("j.moreau", "resume", comment="The tracker's nightly load was mended.") == [
        "case.resumed"
    ]
    assert office.walk.case.stage == "to-approve"
    with pytest.raises(Refused, match="wrong_stage"):
        await office.decide("j.moreau", "resume")
