"""The services' own signatures: the database can't say who wrote an event, the key does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common import signing
from common.clock import instant
from common.errors import Refused
from common.events import Event, EventData
from common.events.approver import PlanAuthorised, TicketOpened
from common.events.executor import ActionIntended, ExecutionStarted
from common.events.planner import PlanDrafted
from common.service_keys import ServiceKey, ServiceKeys
from executor.core import records
from executor.core.checks import check_standing, checked_start, checked_step
from support import service_keys
from support.casework import Casework
from support.drafting import authorised
from support.forging import scene, started


def refused(work: Casework, **changes: Any) -> str:
    """The code with which the start is refused."""
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work, **changes))
    return caught.value.reason_code


def stolen(work: Casework, kind: type[EventData], signed: Callable[[Event], Event]) -> Casework:
    """The case with its events of `kind` as somebody would write them who has the service's login, not its key."""
    assert any(event.type == kind.TYPE for event in work.events)
    work.events = [signed(event) if event.type == kind.TYPE else event for event in work.events]
    return work


def unsigned(event: Event) -> Event:
    return replace(event, signature=None)


def of_another(event: Event) -> Event:
    other = "auditor" if event.source != "auditor" else "planner"
    key = ServiceKey.of(event.source, service_keys.private_keys()[other])
    return key.signed(unsigned(event), event.streamversion or 1)


def of_a_stranger(event: Event) -> Event:
    return ServiceKey.of(event.source, signing.new_key()).signed(unsigned(event), event.streamversion or 1)


def altered(event: Event) -> Event:
    return replace(event, causationid="another")


@pytest.mark.parametrize("kind", [PlanDrafted, TicketOpened, PlanAuthorised])
@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (unsigned, "service_signature_missing"),
        (of_another, "service_signature_foreign"),
        (of_a_stranger, "service_key_unknown"),
        (altered, "service_signature_invalid"),
    ],
)
def test_what_its_service_did_not_sign_does_not_start(
    kind: type[EventData], signed: Callable[[Event], Event], code: str
) -> None:
    assert refused(stolen(authorised(), kind, signed)) == code


@pytest.mark.parametrize("kind", [PlanDrafted, TicketOpened, PlanAuthorised, ExecutionStarted])
def test_what_its_service_did_not_sign_lets_no_step_run(kind: type) -> None:
    """Also a start that somebody else recorded, which would stand for checks that nobody made."""
    work = started(authorised())
    step = work.plan.steps[0]
    checked_step(work.case, step, scene(work))
    work = stolen(work, kind, unsigned)
    with pytest.raises(Refused, match="service_signature_missing"):
        checked_step(work.case, step, scene(work))


def test_an_intent_that_the_executor_did_not_sign_is_not_resumed() -> None:
    work = started(authorised())
    step = work.plan.steps[0]
    work.add(records.intended(work.case, step, None), "executor", "service:executor", "1")
    check_standing(work.case, step, scene(work))
    work = stolen(work, ActionIntended, unsigned)
    with pytest.raises(Refused, match="service_signature_missing"):
        check_standing(work.case, step, scene(work))


def test_a_key_that_was_retired_before_the_event_does_not_count() -> None:
    work = authorised()
    keys = [
        key.model_copy(update={"until": instant(work.wall)}) if key.service == "planner" else key
        for key in service_keys.trusted().keys.values()
    ]
    assert refused(work, service_keys=ServiceKeys.of("demo", keys)) == "service_key_expired"
    later = [key.model_copy(update={"until": instant(work.wall + timedelta(seconds=1))}) for key in keys]
    assert checked_start(work.case, scene(work, service_keys=ServiceKeys.of("demo", later)))
