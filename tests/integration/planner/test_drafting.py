"""The queue, the leases, one open plan a case: on the real ledger, as the planner's own role."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from common.errors import Permanent, Transient
from common.jobs import MOST_ATTEMPTS
from common.ledger import AppendRefused, Ledger, NewEvent, Recorded
from common.ledger.progress import pending
from executor.core import records
from planner import main as planner_main
from planner.adapters.tables import CaseTable
from planner.handlers import Handlers
from support.casework import FINDINGS, Casework
from support.drafting import authorised
from support.ground import casework

pytestmark = pytest.mark.integration


async def confirmed(site: Any, key: str, **row: Any) -> Casework:
    work = casework(key, **row)
    work.open_gap()
    work.confirm()
    await site.ground.bring(work)
    return work


async def plans(site: Any, case_id: str) -> list[str]:
    return [kind for kind in await site.ground.types(case_id) if kind.startswith("plan.")]


async def test_a_confirmed_gap_gets_a_plan_from_the_entitys_own_row(site: Any) -> None:
    work = await confirmed(site, "P-1", title="From the ledger")
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.plan.data.steps[0].parameters["ask"].endswith("From the ledger")
    assert case.plan.event.actor == "agent:playbook/1"
    assert case.plan.event.causationid == work.events[-1].id
    assert case.plan.event.asof == "2023-07-03T12:00:00Z"
    observed = work.observations()[0]
    assert {fact.event_id for fact in case.plan.data.facts} == {observed.id}
    assert await site.ground.pending("planner") == 0


async def test_a_gap_that_nobody_confirmed_gets_none(site: Any) -> None:
    work = casework("P-2")
    work.open_gap()
    await site.ground.bring(work)
    await site.look(work.id)
    assert await plans(site, work.id) == []


async def test_a_confirmation_that_its_person_did_not_sign_gets_none(site: Any) -> None:
    work = casework("P-2a")
    work.open_gap()
    forged = replace(work.confirm(), signature="j.moreau:" + "A" * 86 + "==")
    work.events[-1] = forged
    await site.ground.bring(work)
    await site.look(work.id)
    assert await plans(site, work.id) == []


async def test_two_workers_on_one_case_draft_once(site: Any) -> None:
    work = await confirmed(site, "P-3")
    await site.put(work.id)
    first = await site.lease()
    await site.ground.pools["planner"].execute("UPDATE planner.jobs SET leased_until = clock_timestamp()")
    second = await site.lease()
    assert first is not None
    assert second is not None
    assert first.token != second.token
    await asyncio.gather(site.planner().look(first), site.planner().look(second))
    assert await plans(site, work.id) == ["plan.drafted"]


async def test_many_hints_are_one_draft(site: Any) -> None:
    work = await confirmed(site, "P-4")
    for _ in range(5):
        await site.look(work.id)
    assert await plans(site, work.id) == ["plan.drafted"]


async def test_a_hint_that_comes_while_the_draft_is_made_is_looked_at_too(site: Any) -> None:
    work = await confirmed(site, "P-5")

    class Interrupted:
        actor = "agent:playbook/1"

        async def draft(self, situation: Any) -> Any:
            await site.put(work.id)
            return await site.parts.drafter.draft(situation)

    await site.look(work.id, Interrupted())
    assert await plans(site, work.id) == ["plan.drafted"]
    assert await site.ground.pending("planner") == 1
    again = await site.lease()
    assert again is not None
    await site.planner().look(again)
    assert await site.ground.pending("planner") == 0
    assert await plans(site, work.id) == ["plan.drafted"]


async def test_a_case_that_changes_while_the_draft_is_made_ends_with_a_draft_of_what_is_new(site: Any) -> None:
    work = await confirmed(site, "P-6")

    class Slow:
        actor = "agent:playbook/1"

        async def draft(self, situation: Any) -> Any:
            changed = casework("P-6", completion_date="June 29, 2023")
            changed.reported = changed.reported.replace(day=2)
            changed.events = await site.ground.events(work.id)
            changed.open_gap()
            await site.ground.bring(changed)
            await site.put(work.id)
            return await site.parts.drafter.draft(situation)

    await site.look(work.id, Slow())
    await site.planner().look(await site.lease())
    assert await plans(site, work.id) == ["plan.drafted", "plan.superseded", "plan.drafted"]
    assert "29 June 2023" in (await site.ground.case(work.id)).plan.data.found


async def test_changed_facts_take_the_draft_back_and_draft_again_in_one_append(site: Any) -> None:
    work = await confirmed(site, "P-7")
    await site.look(work.id)
    changed = casework("P-7", completion_date="June 29, 2023")
    changed.reported = changed.reported.replace(day=2)
    changed.events = await site.ground.events(work.id)
    changed.open_gap()
    await site.ground.bring(changed)
    await site.look(work.id)
    assert await plans(site, work.id) == ["plan.drafted", "plan.superseded", "plan.drafted"]
    case = await site.ground.case(work.id)
    assert case.plan.data.number == 2
    assert case.plan.data.found.startswith("Management promised 29 June 2023")
    first, second = [e for e in await site.ground.events(work.id) if e.type.startswith("trueup.plan.")][-2:]
    assert first.data["reason"] == "due was '2023-06-30' and is now '2023-06-29'."
    assert (first.streamversion, second.streamversion) == (2, 3)


async def test_what_is_withheld_is_said_once_for_one_gap(site: Any) -> None:
    work = await confirmed(site, "P-8", department="Redacted")
    for _ in range(3):
        await site.look(work.id)
    assert await plans(site, work.id) == ["plan.withheld"]
    case = await site.ground.case(work.id)
    assert (case.stage, case.withheld.data.reason_code) == ("withheld", "people_only")


async def test_a_running_plan_is_left_alone(site: Any) -> None:
    work = authorised(casework("P-9"))
    work.add(records.started(work.case, []), "executor", "service:executor")
    work.row["title"] = "Another"
    work.reported = work.reported.replace(day=2)
    await site.ground.bring(work)
    before = await site.ground.types(work.id)
    await site.look(work.id)
    assert await site.ground.types(work.id) == before


class Failing:
    actor = "agent:failing/1"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def draft(self, _situation: Any) -> Any:
        raise self.error


async def test_a_drafter_that_cannot_is_said_so(site: Any) -> None:
    work = await confirmed(site, "P-10")
    await site.look(work.id, Failing(Permanent("model_refused", "the model is not registered")))
    case = await site.ground.case(work.id)
    assert (case.withheld.data.reason_code, case.plan) == ("model_refused", None)


async def test_a_drafter_that_is_away_is_asked_again_a_bounded_number_of_times(site: Any) -> None:
    work = await confirmed(site, "P-11")
    planner = site.planner(Failing(Transient("model_away", "no answer")))
    await site.put(work.id)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert await plans(site, work.id) == []
        await site.ground.pools["planner"].execute("UPDATE planner.jobs SET not_before = clock_timestamp()")
        job = await site.lease()
        assert job.attempts == attempt
        await planner.look(job)
    case = await site.ground.case(work.id)
    assert case.withheld.data.reason_code == "model_away"
    assert await site.ground.pending("planner") == 0


async def test_a_lease_that_ran_out_goes_to_another_worker_and_not_before(site: Any) -> None:
    work = await confirmed(site, "P-12")
    await site.put(work.id)
    dead = await site.lease(0.3)  # its process is killed: nothing ends the job
    assert dead is not None
    assert await site.lease() is None
    await asyncio.sleep(0.35)
    job = await site.lease()
    assert job is not None
    assert (job.case_id, job.attempts) == (work.id, 2)
    await site.planner().look(job)
    assert await plans(site, work.id) == ["plan.drafted"]


async def test_pending_work_is_what_waits(site: Any) -> None:
    pool = site.ground.pools["planner"]
    for key in ("Q-1", "Q-2", "Q-3"):
        await confirmed(site, key)
    cases = [f"money-findings-closed/{key}/1" for key in ("Q-1", "Q-2", "Q-3")]
    await site.put(*cases)
    assert (await pending(pool))["planner"] == 3
    first = await site.lease()
    assert (await pending(pool))["planner"] == 3  # leased is not done
    await site.planner().look(first)
    assert (await pending(pool))["planner"] == 2


async def recorded(site: Any, case_id: str) -> Sequence[Recorded]:
    ledger: Ledger = site.ground.ledger("auditor")
    return await ledger.read_case(site.ground.pools["auditor"], case_id)


async def test_messages_only_put_cases_in_and_a_declaration_concerns_every_open_one(site: Any) -> None:
    nudged: list[int] = []
    handlers = Handlers(planner_main.QUEUE, CaseTable(), lambda: nudged.append(1))
    pool = site.ground.pools["planner"]
    work = await confirmed(site, "H-1")
    async with pool.acquire() as conn, conn.transaction():
        await handlers.cases(conn, await recorded(site, work.id))
    assert nudged
    job = await site.lease()
    assert job.case_id == work.id
    await site.planner().look(job)

    text = FINDINGS.read_text().replace("soak: 30 days", "soak: 31 days")
    await site.ground.declare(text)
    activated = await site.ground.ledger("auditor").read_category(site.ground.pools["auditor"], "declaration/")
    async with pool.acquire() as conn, conn.transaction():
        await handlers.world(conn, activated)
    job = await site.lease()
    assert job.case_id == work.id
    await site.planner().look(job)
    assert await plans(site, work.id) == ["plan.drafted", "plan.superseded"]
    case = await site.ground.case(work.id)
    assert case.plan is None
    await site.ground.declare(FINDINGS.read_text())


async def test_what_becomes_of_a_gap_is_looked_at_only_where_somebody_confirmed_it(site: Any) -> None:
    handlers = Handlers(planner_main.QUEUE, CaseTable(), lambda: None)
    pool = site.ground.pools["planner"]
    work = casework("H-2")
    work.open_gap()
    work.close_gap()
    work.open_gap()
    await site.ground.bring(work)
    gaps = [item for item in await recorded(site, work.id) if item.event.type.startswith("trueup.gap.")]
    assert len(gaps) == 3
    async with pool.acquire() as conn, conn.transaction():
        await handlers.cases(conn, gaps)
    assert await site.lease() is None
    work.confirm()
    await site.ground.bring(work)
    async with pool.acquire() as conn, conn.transaction():
        await handlers.cases(conn, gaps[-1:])
    job = await site.lease()
    assert job.case_id == work.id
    await site.planner().look(job)
    assert await plans(site, work.id) == ["plan.drafted"]


@pytest.mark.parametrize("kind", ["approval", "execution"])
async def test_the_database_refuses_the_planner_other_streams(site: Any, kind: str) -> None:
    work = authorised(casework(f"D-{kind}"))
    event = next(one for one in work.events if one.subject.startswith("approval/"))
    stream = f"{kind}/{work.id}"
    for forged in (replace(event, subject=stream), replace(event, subject=stream, source="planner")):
        (answer,) = await site.ground.ledger("planner").append([[NewEvent(forged)]])
        assert isinstance(answer, AppendRefused)
        assert answer.reason_code == "forbidden_stream"
