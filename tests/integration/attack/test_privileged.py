"""The approver's or the executor's login in wrong hands: what the database itself refuses to record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.clock import wall_now
from common.declarations.loader import load
from common.events import SIGNED, Event, EventData
from common.events.approver import ApprovalGiven, GapConfirmed, PlanAuthorised
from common.events.executor import ActionIntended, ExecutionStarted
from common.ledger import Appended, AppendRefused, NewEvent, append
from support import declared
from support.casework import AUTHOR, FINDINGS, Casework
from support.drafting import authorised, drafted
from support.ground import Ground, casework, ground_of
from support.ledgers import SIGNATURE, an_event, kept_waiting, name

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def ground(database: Realm) -> AsyncIterator[Ground]:
    async with ground_of(database) as made:
        yield made


def to_approve(key: str) -> Casework:
    work = casework(key)
    work.open_gap()
    work.confirm()
    work.drafted(drafted(work))
    work.open_ticket()
    return work


async def code(ground: Ground, event: Event) -> str | None:
    """The reason why the database refuses `event`, None when it takes it."""
    signature = SIGNATURE.format(event.source) if event.type in SIGNED else event.signature
    event = replace(event, streamversion=None, signature=signature)
    (answer,) = await ground.ledger(event.source).append([[NewEvent(event)]])
    assert isinstance((await ground.ledger("planner").append([[NewEvent(an_event("planner"))]]))[0], Appended)
    return answer.reason_code if isinstance(answer, AppendRefused) else None


def last(work: Casework, kind: type[EventData]) -> Event:
    return next(event for event in reversed(work.events) if event.type == kind.TYPE)


def by(event: Event, person: str) -> Event:
    """The same decision, as if `person` had made it."""
    decision = {**event.data["decision"], "person": person}
    signature = f"{person}:{(event.signature or '').partition(':')[2]}"
    data = {**event.data, "decision": decision}
    return replace(event, id=name(), actor=f"person:{person}", data=data, signature=signature)


FORGED: dict[str, tuple[Callable[[Event], Event], str]] = {
    "a service's": (lambda event: replace(event, id=name(), actor="service:approver"), "agent_identity"),
    "an agent's": (lambda event: replace(event, id=name(), actor="agent:model/1"), "agent_identity"),
    "nobody's": (lambda event: by(event, ""), "agent_identity"),
    "unsigned": (lambda event: replace(event, id=name(), signature=None), "signature_missing"),
    "signed by another": (lambda event: replace(event, id=name(), signature="x.y:" + "A" * 88), "signature_missing"),
    "a name for a signature": (
        lambda event: replace(event, id=name(), signature=(event.signature or "").partition(":")[0]),
        "signature_missing",
    ),
    "the declaration's author's": (lambda event: by(event, AUTHOR), "author_decides"),
    "the confirmer's": (lambda event: by(event, "j.moreau"), "not_apart"),
    "of another case": (
        lambda event: replace(
            event, id=name(), data={**event.data, "decision": {**event.data["decision"], "case": "x/y/1"}}
        ),
        "wrong_case",
    ),
    "on another case's stream": (lambda event: replace(event, id=name(), caseid="x/y/1"), "wrong_case"),
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_an_approval_is_one_persons_who_took_no_other_part(ground: Ground, forgery: str) -> None:
    work = to_approve(f"P-{list(FORGED).index(forgery)}")
    await ground.bring(work)
    (approval, *_) = work.approve_all()
    change, reason = FORGED[forgery]
    assert await code(ground, change(approval)) == reason
    assert await code(ground, approval) is None


async def test_nobody_approves_the_same_plan_twice(ground: Ground) -> None:
    work = to_approve("P-twice")
    work.approve_all()
    await ground.bring(work)
    approval = last(work, ApprovalGiven)
    assert await code(ground, replace(approval, id=name())) == "already_decided"


async def test_nobody_approves_twice_at_once(ground: Ground) -> None:
    """The second waits for the first's transaction, and is refused for what it could not see when it began."""
    work = to_approve("P-at-once")
    await ground.bring(work)
    (approval, *_) = work.approve_all()
    pool = ground.pools["approver"]
    async with pool.acquire() as first, pool.acquire() as second:
        await first.execute("BEGIN")
        (taken,) = await append(first, [[NewEvent(replace(approval, streamversion=None))]])
        again = asyncio.create_task(append(second, [[NewEvent(replace(approval, id=name(), streamversion=None))]]))
        await kept_waiting(pool, second)
        await first.execute("COMMIT")
        (answer,) = await again
    assert isinstance(taken, Appended)
    assert isinstance(answer, AppendRefused) and answer.reason_code == "already_decided"


async def test_an_approver_does_not_confirm_afterwards(ground: Ground) -> None:
    work = to_approve("P-after")
    work.approve_all()
    await ground.bring(work)
    approver = last(work, ApprovalGiven).data["decision"]["person"]
    assert await code(ground, by(last(work, GapConfirmed), approver)) == "not_apart"


def with_data(event: Event, **data: Any) -> Event:
    return replace(event, id=name(), data={**event.data, **data})


async def test_an_authorisation_rests_on_recorded_decisions_of_different_people(ground: Ground) -> None:
    work = to_approve("P-grant")
    work.approve_all()
    await ground.bring(work)
    work.authorise()
    grant = last(work, PlanAuthorised)
    assert await code(ground, with_data(grant, confirmation="f" * 32)) == "gate1_missing"
    assert await code(ground, with_data(grant, approvals=[])) == "quorum_incomplete"
    assert await code(ground, with_data(grant, approvals=[*grant.data["approvals"], "f" * 32])) == "quorum_incomplete"
    assert await code(ground, with_data(grant, digest="0" * 64)) == "quorum_incomplete"
    assert await code(ground, replace(grant, id=name(), caseid="x/y/1")) == "wrong_case"


async def test_an_execution_uses_one_authorisation_once(ground: Ground) -> None:
    work = authorised(casework("P-run"))
    await ground.bring(work)
    grant = last(work, PlanAuthorised)
    body = {"case": work.id, "plan": work.plan.plan, "digest": grant.data["digest"], "authorisation": grant.id}
    start = work.add(ExecutionStarted(**body, checks=["x"]), "executor", "service:executor")
    intent = _intent(work, None)
    assert await code(ground, intent) == "gate2_missing"
    assert await code(ground, with_data(start, authorisation="f" * 32)) == "gate2_missing"
    assert await code(ground, with_data(start, digest="0" * 64)) == "gate2_missing"
    assert await code(ground, start) is None
    assert await code(ground, replace(start, id=name())) == "already_consumed"
    assert await code(ground, intent) is None


async def test_a_release_is_used_once(ground: Ground) -> None:
    work = authorised(casework("P-release"))
    body = {"case": work.id, "plan": work.plan.plan, "digest": "d", "authorisation": last(work, PlanAuthorised).id}
    body["digest"] = last(work, PlanAuthorised).data["digest"]
    work.add(ExecutionStarted(**body, checks=["x"]), "executor", "service:executor")
    await ground.bring(work)
    release = work.release(1)
    assert await code(ground, _intent(work, release.id)) == "release_missing"
    await ground.bring(work)
    assert await code(ground, _intent(work, release.id)) is None
    assert await code(ground, _intent(work, release.id)) == "already_consumed"


def _intent(work: Casework, release: str | None) -> Event:
    data = ActionIntended(
        case=work.id, plan=work.plan.plan, step=1, action="request-evidence", system="ticketing", provider="sql",
        target="finding/x", parameters={}, idempotency_key="k", release=release,
    )  # fmt: skip
    event = work.add(data, "executor", "service:executor", name())
    work.events.remove(event)
    return event


async def test_one_person_does_not_propose_and_activate(ground: Ground) -> None:
    documents = load(FINDINGS.read_text(), "findings.yaml").documents[:1]
    proposed, activated = declared.events(documents, wall_now(), author="a.b", activator="a.b")
    assert await code(ground, activated[0]) == "proposal_unknown"
    await ground.put(proposed)
    assert await code(ground, activated[0]) == "author_decides"
    (honest,) = declared.events(documents, wall_now(), author="a.b")[1]
    said = {**honest.data, "proposal": activated[0].data["proposal"]}
    assert await code(ground, replace(honest, data={**said, "author": "c.d"})) == "author_decides"
    assert await code(ground, replace(honest, data=said)) is None
