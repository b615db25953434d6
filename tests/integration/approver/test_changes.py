"""Approvals are void when what they rely on changes, run out on the realm clock, and nothing else touches them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from approver import main as approver_main
from approver.api import people as people_api
from approver.settings import ApproverSettings
from common.clock import parse_instant, wall_now
from common.errors import Refused
from common.events.approver import ApprovalVoided
from pydantic import SecretStr
from support.office import Office, with_roles, write_directory
from support.walk import directory

pytestmark = pytest.mark.integration
SOURCE = """
apiVersion: trueup/v1alpha1
kind: Source
metadata: {name: audit-tracker}
spec: {about: The tracker of findings., quietAfter: 30 days}
"""


def changed(office: Office) -> list[str]:
    voided = [event for event in office.walk.events if event.type == ApprovalVoided.TYPE]
    return ApprovalVoided.of(voided[-1]).changed


async def redeclare(office: Office, old: str, new: str) -> None:
    file = office.folder / "findings.yaml"
    text = file.read_text().replace(old, new)
    assert text != file.read_text()
    file.write_text(text)
    await activate(office, file)


async def activate(office: Office, file: Path) -> None:
    proposal = await office.ask("c.adeyemi", "propose", file)
    await office.ask("t.brandt", "activate", proposal["id"])
    await office.deliver()


async def test_a_changed_fact_voids_when_the_gap_is_told_to_have_changed(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await office.make(
        lambda: office.walk.report("2023-07-03 01:00", completion_date="June 29, 2023"), office.walk.open_gap
    )
    assert (await office.types())[-1] == "approval.voided"
    assert "due was '2023-06-30' and is now '2023-06-29'" in changed(office)


async def test_a_changed_fact_that_nobody_has_told_of_yet_still_refuses_the_approval(office: Office) -> None:
    await office.open_ticket()
    await office.make(lambda: office.walk.report("2023-07-03 01:00", completion_date="June 29, 2023"))
    with pytest.raises(Refused) as caught:
        await office.ask("l.hansen", "decide", "approve", office.walk.id)
    assert caught.value.reason_code in ("wrong_stage", "stale_digest")
    assert (await office.types())[-1] == "approval.voided"


async def test_what_the_plan_does_not_rely_on_voids_nothing(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await office.make(
        lambda: office.walk.report("2023-07-03 01:00", auditee_remark="Another remark"), office.walk.open_gap
    )
    assert await office.decide("r.osei", "approve") == ["approval.given", "plan.authorised"]


async def test_a_changed_policy_voids_also_what_was_authorised(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await office.decide("r.osei", "approve")
    await redeclare(office, "expires: 5 business days", "expires: 4 business days")
    assert (await office.types())[-2:] == ["approval.voided", "ticket.opened"]
    assert changed(office) == ["the approval policy findings-approvals changed"]
    page = await office.ask("l.hansen", "case", office.walk.id)
    assert page["stage"] == "to-approve" and page["approvals"] == [] and page["authorisation"] is None


async def test_a_source_that_brings_no_doubt_voids_nothing_and_one_that_does_voids(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    before = await office.types()
    file = office.folder / "sources.yaml"
    file.write_text(SOURCE)
    await activate(office, file)
    assert await office.types() == before
    assert len((await office.ask("l.hansen", "case", office.walk.id))["approvals"]) == 1
    file.write_text(SOURCE.replace("30 days", "1 hour"))
    await activate(office, file)
    assert (await office.types())[-1] == "approval.voided"
    assert "due was '2023-06-30' and is now unknown" in changed(office)


async def test_a_changed_directory_is_noticed_while_running(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    stop = asyncio.Event()
    watching = asyncio.ensure_future(office.parts.tasks["directory"](stop))
    more = with_roles(with_roles(directory(office.realm.name), "k.weber", "clock-keeper"), "a.lindqvist", "risk")
    write_directory(office.folder / "directory.json", more)
    async with asyncio.timeout(20):
        while "approval.voided" not in await office.types():
            await asyncio.sleep(0.05)
        stop.set()
        await watching
    assert changed(office) == ["who may decide changed (the directory, or the policy line that applies)"]
    await office.decide("l.hansen", "approve")
    assert await office.decide("a.lindqvist", "approve") == ["approval.given", "plan.authorised"]


async def test_a_directory_that_can_not_be_read_leaves_the_former_standing(office: Office) -> None:
    await office.open_ticket()
    stop = asyncio.Event()
    watching = asyncio.ensure_future(office.parts.tasks["directory"](stop))
    (office.folder / "directory.json").write_text("{")
    await asyncio.sleep(1.5)
    assert not watching.done()
    assert await office.decide("l.hansen", "approve") == ["approval.given"]
    stop.set()
    await watching


async def test_time_runs_out_at_its_own_instant_when_the_clock_moves(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.open_ticket()
    await quiet(monkeypatch)
    due = office.walk.case.ticket
    assert due is not None
    answer = await office.ask("k.weber", "advance", "2023-08-01T00:00:00Z")
    assert answer["was"] == "2023-07-03T00:00:00Z"
    await office.deliver()
    last = office.walk.events[-1]
    assert last.type == "trueup.plan.expired.v1"
    assert parse_instant(last.asof) == parse_instant(due.data.expires)
    assert (await office.ask("k.weber", "realm"))["now"] == "2023-08-01T00:00:00Z"
    assert await office.decide("r.osei", "return") == ["plan.returned"]


async def test_on_a_wall_clock_time_runs_out_by_itself_also_what_ran_out_while_nobody_ran(
    wall_office: Office,
) -> None:
    office = wall_office
    await office.declare()
    hour_ago = (wall_now() - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M")
    await office.make(lambda: office.walk.report(hour_ago), office.walk.open_gap)
    await office.decide("j.moreau", "confirm")
    await office.put(office.walk.draft())
    await office.put(office.walk.open_ticket(days=0))  # a ticket that is over as soon as it is open
    await office.deliver()
    assert (await office.types())[-1] == "ticket.opened"
    stop = asyncio.Event()
    firing = asyncio.ensure_future(office.parts.tasks["deadlines"](stop))
    async with asyncio.timeout(20):
        while (await office.types())[-1] != "plan.expired":
            await asyncio.sleep(0.05)
        stop.set()
        await firing
    assert office.walk.events[-1].asof == office.walk.events[-2].data["expires"]


async def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No relays run here: let the clock believe that all has been handled."""

    async def nothing(_: object) -> tuple[bool, list[str]]:
        return True, []

    monkeypatch.setattr(approver_main, "quiescent", nothing)


async def test_the_clock_does_not_move_while_something_is_under_way(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.open_gap()
    monkeypatch.setattr(people_api, "QUIESCENT_WITHIN_S", 0.3)
    with pytest.raises(Refused) as caught:
        await office.ask("k.weber", "advance", "2023-08-01T00:00:00Z")
    assert caught.value.reason_code == "not_quiescent"
    assert "observer" in caught.value.message
    realm = await office.ask("k.weber", "realm")
    assert realm["now"] == "2023-07-03T00:00:00Z" and not realm["quiescent"] and realm["behind"]


async def test_who_asks_to_wait_is_answered_as_soon_as_all_is_handled_or_told_who_is_behind(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []

    async def at_the_third_look(_: object) -> tuple[bool, list[str]]:
        looks.append(len(looks) == 2)
        return looks[-1], [] if looks[-1] else ["observer: 1 events not on the bus yet"]

    monkeypatch.setattr(approver_main, "quiescent", at_the_third_look)
    assert not (await office.ask("k.weber", "realm"))["quiescent"] and looks == [False]
    assert (await office.ask("k.weber", "realm", quiescent_within=30))["quiescent"] and looks == [False, False, True]

    async def never(_: object) -> tuple[bool, list[str]]:
        return False, ["observer: 1 events not on the bus yet"]

    monkeypatch.setattr(approver_main, "quiescent", never)
    realm = await office.ask("k.weber", "realm", quiescent_within=0.05)
    assert (realm["quiescent"], realm["behind"]) == (False, ["observer: 1 events not on the bus yet"])


async def test_only_its_keeper_moves_the_clock_and_only_forward(office: Office) -> None:
    with pytest.raises(Refused, match="role_not_held"):
        await office.ask("l.hansen", "advance", "2023-08-01T00:00:00Z")
    with pytest.raises(Refused, match="not_forward"):
        await office.ask("k.weber", "advance", "2023-07-01T00:00:00Z")
    with pytest.raises(Refused, match="malformed_request"):
        await office.ask("k.weber", "advance", "soon")


async def test_the_realm_is_created_once(office: Office) -> None:
    first = office.walk.ledger[0]
    assert (first.type, first.data["mode"]) == ("trueup.realm.created.v1", "replay")
    async with office.pool.acquire() as conn, conn.transaction():
        settings = ApproverSettings(
            realm=office.realm.name, database_url=SecretStr(""), brokers="", clock="wall", timezone="UTC"
        )
        await approver_main._create_realm(conn, settings)
    await office.sync()
    assert sum(event.subject == "realm" for event in office.walk.ledger) == 1
