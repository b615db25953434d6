"""A case passes both gates over the real API: asked, signed, recorded, listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from common.errors import Refused
from support.office import Office

pytestmark = pytest.mark.integration


async def test_one_case_from_the_gap_to_the_reported_work(office: Office) -> None:
    await office.open_gap()
    assert await office.decide("j.moreau", "confirm", comment="The draft exists.") == ["gap.confirmed"]
    await office.make(office.walk.draft)
    assert await office.decide("l.hansen", "approve") == ["approval.given"]
    assert await office.decide("r.osei", "approve") == ["approval.given", "plan.authorised"]
    await office.make(office.walk.start, lambda: office.walk.intend(1), lambda: office.walk.succeed(1))
    assert await office.decide("p.nakamura", "release", step=2) == ["release.given"]
    await office.make(lambda: office.walk.intend(2))
    (task,) = await office.ask("k.weber", "tasks", mine=True)
    assert (task["action"], task["step"], task["yours"]) == ("publish-procedure", 2, True)
    assert await office.ask("l.hansen", "tasks", mine=True) == []
    assert await office.decide("k.weber", "outcome", step=2, result="done") == ["outcome.recorded"]
    await office.make(lambda: office.walk.succeed(2), office.walk.finish)
    assert await office.ask("k.weber", "tasks") == []
    page = await office.ask("j.moreau", "case", office.walk.id)
    assert page["stage"] == "to-verify"
    assert page["names"]["l.hansen"] == "L. Hansen"


async def test_a_handler_that_sees_everything_again_appends_nothing(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    before = await office.types()
    office.delivered = -1
    await office.deliver()
    assert await office.types() == before


async def test_lists_are_for_everybody_and_mine_are_for_who_may_decide(office: Office) -> None:
    await office.open_ticket()
    (line,) = await listed(office, "l.hansen", mine=True)
    assert (line["stage"], line["yours"], line["severity"]) == ("to-approve", ["approve"], "high")
    assert await listed(office, "j.moreau", mine=True) == []
    assert len(await listed(office, "j.moreau", stage="to-approve")) == 1
    assert await listed(office, "j.moreau", stage="to-confirm") == []
    assert await listed(office, "j.moreau", planned=False) == []


async def listed(office: Office, person: str, **filters: Any) -> list[dict[str, Any]]:
    return await asyncio.to_thread(lambda: list(office.client(person).cases(**filters)))


async def test_a_page_offers_each_person_only_what_they_may_decide(office: Office) -> None:
    await office.open_ticket()
    offered = {}
    for person in ("l.hansen", "j.moreau", "p.nakamura"):
        page = await office.ask(person, "case", office.walk.id)
        offered[person] = sorted(action["kind"] for action in page["actions"])
    assert offered == {"l.hansen": ["approve", "refuse", "return"], "j.moreau": ["return"], "p.nakamura": []}


async def test_a_case_that_nobody_has_decided_about_waits_for_the_same_people_in_lists_and_on_its_page(
    office: Office,
) -> None:
    await office.open_gap()
    (line,) = await listed(office, "j.moreau", mine=True)
    page = await office.ask("j.moreau", "case", office.walk.id)
    assert line["yours"] == ["confirm"]
    assert [action["kind"] for action in page["actions"]] == ["confirm", "dispute"]


async def test_a_case_that_is_not_there_is_said_to_be_unknown(office: Office) -> None:
    with pytest.raises(Refused, match="case_unknown"):
        await office.ask("j.moreau", "case", "money-findings-closed/nothing/1")
    with pytest.raises(Refused, match="case_unknown"):
        await office.ask("j.moreau", "decide", "confirm", "money-findings-closed/nothing/1")
