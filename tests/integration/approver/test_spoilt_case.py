"""A service that writes nonsense into a case with its own login spoils that case, says so, and spoils no other."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from common.errors import Refused
from common.events import Event
from support.ledgers import an_event
from support.office import Office

pytestmark = pytest.mark.integration
SPOILT = "money-findings-closed/2022-021/1"


async def spoil(office: Office) -> None:
    """A gap in another case, then a plan of it that is none."""
    gap = next(event for event in office.walk.events if event.type == "trueup.gap.opened.v1")
    data = {**gap.data, "case": SPOILT, "key": "2022-021"}
    other: Event = replace(
        gap, id="a" * 32, subject=f"gap/{SPOILT}", caseid=SPOILT, data=data, streamversion=None, time=an_event().time
    )
    await office.write(other)
    await office.write(an_event("planner", stream=f"plan/{SPOILT}", case=SPOILT, data={"plan": "nonsense"}))


async def test_a_change_still_voids_the_approvals_of_the_other_cases(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await spoil(office)
    file = office.folder / "findings.yaml"
    with caplog.at_level(logging.ERROR):
        await office.declare(file.read_text().replace("expires: 5 business days", "expires: 4 business days"))
    assert (await office.types())[-2:] == ["approval.voided", "ticket.opened"]
    assert f"{SPOILT} is passed over" in caplog.text
    assert "case_unreadable" in caplog.text


async def test_nobody_decides_in_it_and_they_are_told_why(office: Office) -> None:
    await office.open_ticket()
    await spoil(office)
    with pytest.raises(Refused, match="case_unreadable"):
        await office.ask("l.hansen", "case", SPOILT)
    assert await office.decide("l.hansen", "approve") == ["approval.given"]
