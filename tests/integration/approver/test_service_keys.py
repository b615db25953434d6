"""The planner's database login alone makes no ticket; and nobody but the approver opens one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from common import signing
from common.events import Event
from common.service_keys import ServiceKey, check_service_signature
from support import service_keys
from support.ledgers import unguarded
from support.office import Office

pytestmark = pytest.mark.integration


def stolen(event: Event, private: str | None) -> Event:
    """The event as the thief of a login writes it: without the service's key, perhaps with another one."""
    bare = replace(event, signature=None)
    return bare if private is None else ServiceKey.of(event.source, private).signed(bare, event.streamversion or 1)


@pytest.mark.parametrize(
    ("private", "code"),
    [
        (None, "service_signature_missing"),
        (service_keys.private_keys()["executor"], "service_signature_foreign"),
        (signing.new_key(), "service_key_unknown"),
    ],
    ids=["unsigned", "foreign", "unknown"],
)
async def test_a_plan_that_the_planner_did_not_sign_gets_no_ticket(
    office: Office, private: str | None, code: str
) -> None:
    await office.open_gap()
    await office.decide("j.moreau", "confirm")
    async with unguarded(office.realm):
        await office.make(lambda: stolen(office.walk.draft(), private))
    assert (await office.types())[-1] == "plan.drafted"
    line = await office.pool.fetchval("SELECT body FROM approver.cases WHERE case_id = $1", office.walk.id)
    (told,) = json.loads(line)["waits_for"]
    assert told.startswith(f"{code}: trueup.plan.drafted.v1")


async def test_what_the_approver_itself_says_is_signed_by_it(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await office.decide("r.osei", "approve")
    own = [event for event in office.walk.events if event.source == "approver"]
    services = [event for event in own if "decision" not in event.data]
    assert [event.type for event in services] == ["trueup.ticket.opened.v1", "trueup.plan.authorised.v1"]
    for event in services:
        check_service_signature(event, service_keys.trusted(office.realm.name))
    assert all((event.signature or "").startswith(event.data["decision"]["person"]) for event in own
               if event not in services)  # fmt: skip


async def test_a_ticket_that_the_approver_did_not_open_is_not_approved(office: Office) -> None:
    """Somebody with the approver's login opens one that asks fewer people."""
    await office.open_gap()
    await office.decide("j.moreau", "confirm")
    await office.put(office.walk.draft())
    async with unguarded(office.realm):
        await office.make(lambda: stolen(office.walk.open_ticket(), None))
    with pytest.raises(Exception, match="service_signature_missing"):
        await office.decide("l.hansen", "approve")
    assert (await office.types())[-1] == "ticket.opened"
