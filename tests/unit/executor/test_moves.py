"""What comes next follows from what is recorded, and every attempt ends as succeeded, failed or unknown."""

from __future__ import annotations

from typing import Any

import pytest
from common.declarations.models import Limits
from common.errors import Refused
from common.events.approver import ApprovalVoided, PlanExpired
from common.events.executor import ActionFailed, ActionSucceeded, ActionUnknown
from executor.acting import TRIES, carried_out
from executor.core import records
from executor.core.effects import Doubt, Refusal, Took, end_of
from executor.core.limits import Usage, reached
from executor.core.progress import Finish, Halt, Intend, Record, Resume, Start, Wait, next_move
from executor.ports import InDoubt, NoEffect, Order, Unreachable
from support.casework import Casework
from support.drafting import authorised, confirmed


def write(work: Casework, data: Any, *unique: str) -> None:
    work.add(data, "executor", "service:executor", *unique)


def test_a_walk_in_order() -> None:
    assert isinstance(next_move(confirmed().case), Wait)
    work = authorised()
    assert next_move(work.case) == Start()
    write(work, records.started(work.case, []))
    first, second = work.plan.steps
    assert next_move(work.case) == Intend(first)
    write(work, records.intended(work.case, first, None), "1")
    move = next_move(work.case)
    assert isinstance(move, Resume)  # whoever comes now doesn't know whether it happened
    write(work, records.succeeded(move.attempt.intended.data, {"rows": 1}))
    assert next_move(work.case) == Intend(second)
    work.release(2)
    write(work, records.intended(work.case, second, work.case.releases[2]), "2")
    assert isinstance(next_move(work.case), Wait)  # a person's work
    work.outcome(2)
    done = next_move(work.case)
    assert isinstance(done, Record)
    write(work, records.of_outcome(done.attempt, done.outcome))
    assert next_move(work.case) == Finish()
    write(work, records.finished(work.case))
    assert isinstance(next_move(work.case), Wait)


def test_a_step_that_failed_or_is_unknown_halts_and_a_halted_plan_rests() -> None:
    for end, code in ((records.failed, "action_failed"), (records.unknown, "action_unknown")):
        work = authorised()
        write(work, records.started(work.case, []))
        write(work, records.intended(work.case, work.plan.steps[0], None), "1")
        intent = work.case.attempts[1].intended.data
        write(work, end(intent, "target_refused", "no") if end is records.failed else records.unknown(intent, "?"))
        move = next_move(work.case)
        assert isinstance(move, Halt)
        assert move.reason_code == code
        write(work, records.halted(work.case, move.reason_code, move.reason))
        assert isinstance(next_move(work.case), Wait)


def test_a_task_that_was_not_done_fails_its_step() -> None:
    work = authorised()
    write(work, records.started(work.case, []))
    work.release(2)
    write(work, records.intended(work.case, work.plan.steps[1], work.case.releases[2]), "2")
    work.outcome(2, "not_done")
    case = work.case
    end = records.of_outcome(case.attempts[2], case.outcomes[2])
    assert isinstance(end, ActionFailed)
    assert end.reason_code == "not_done"


def test_a_plan_that_is_voided_or_expired_before_it_starts_is_not_started() -> None:
    work = authorised()
    digest = records.granted(work.case).digest
    voided = ApprovalVoided(case=work.id, plan=work.plan.plan, digest=digest, changed=["due was … and is now …"])
    work.add(voided, "approver", "service:approver")
    assert isinstance(next_move(work.case), Wait)
    work = authorised()
    expired = PlanExpired(case=work.id, plan=work.plan.plan, digest=digest, expired_at="2023-07-10T12:00:00Z")
    work.add(expired, "approver", "service:approver")
    assert isinstance(next_move(work.case), Wait)


def test_the_idempotency_key_is_the_steps_own_and_stays_when_the_grant_is_taken_back() -> None:
    work = authorised()
    first, second = work.plan.steps
    before = records.key_of(work.case, first)
    assert before != records.key_of(work.case, second)
    write(work, records.started(work.case, []))
    digest = records.granted(work.case).digest
    work.add(
        ApprovalVoided(case=work.id, plan=work.plan.plan, digest=digest, changed=["x"]),
        "approver",
        "service:approver",
    )
    assert records.key_of(work.case, first) == before


@pytest.mark.parametrize(
    ("limits", "usage", "passes"),
    [
        (Limits(perCase=2), Usage(case=2, day=2, open=0), False),
        (Limits(perDay=3), Usage(case=0, day=3, open=0), True),
        (Limits(atOnce=1), Usage(case=0, day=0, open=1), True),
    ],
)
def test_limits(limits: Limits, usage: Usage, passes: bool) -> None:
    found = reached("request-evidence", limits, usage)
    assert found is not None
    assert found.passes is passes
    lower = Usage(max(usage.case - 1, 0), max(usage.day - 1, 0), max(usage.open - 1, 0))
    assert reached("request-evidence", limits, lower) is None
    assert reached("request-evidence", Limits(), usage) is None


# Acting


class Target:
    """A target that behaves as it is told: each call takes the next of `script`. What took effect is counted."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.calls: list[str] = []
        self.effects = 0

    def _next(self, call: str) -> str:
        self.calls.append(call)
        return self.script.pop(0)

    async def receipt(self, _intent: Any) -> dict[str, Any] | None:
        if self._next("ask") == "away":
            raise Unreachable("target_unreachable", "away")
        return {"rows": 1} if self.effects else None

    async def act(self, _order: Order) -> dict[str, Any]:
        told = self._next("act")
        if told == "away":
            raise NoEffect("target_unreachable", "away")
        if told == "refuses":
            raise NoEffect("target_refused", "no")
        if not self.effects:  # the receipt's key is unique
            self.effects += told != "lost before"
        if told.startswith("lost"):
            raise InDoubt("commit_in_doubt", "lost")
        return {"rows": 1}


async def tried(target: Target, tried_before: bool = False, refusal: Refused | None = None) -> Any:
    work = authorised()
    intent = records.intended(work.case, work.plan.steps[0], None)

    async def pause(_seconds: float) -> None:
        return None

    effect, doubtful = await carried_out(
        target, Order(intent, "insert", "2022-090"), tried_before, refusal, pause=pause
    )
    return end_of(intent, effect, doubtful)


async def test_an_action_that_works_is_done_once_without_asking() -> None:
    target = Target("works")
    assert isinstance(await tried(target), ActionSucceeded)
    assert target.calls == ["act"]


async def test_a_refusal_is_final() -> None:
    target = Target("refuses")
    assert isinstance(await tried(target), ActionFailed)
    assert target.calls == ["act"]


async def test_a_target_that_is_away_for_a_moment_is_waited_for() -> None:
    target = Target("away", "works")
    assert isinstance(await tried(target), ActionSucceeded)


async def test_a_target_that_was_never_reached_had_no_effect() -> None:
    target = Target(*["away"] * TRIES)
    end = await tried(target)
    assert isinstance(end, ActionFailed)
    assert end.reason_code == "target_unreachable"


async def test_after_a_crash_the_target_is_asked_first() -> None:
    target = Target("ok")
    target.effects = 1
    assert isinstance(await tried(target, tried_before=True), ActionSucceeded)
    assert target.calls == ["ask"]


async def test_after_a_crash_a_target_without_a_receipt_is_acted_on() -> None:
    target = Target("ok", "works")
    assert isinstance(await tried(target, tried_before=True), ActionSucceeded)
    assert target.calls == ["ask", "act"]
    assert target.effects == 1


async def test_after_a_crash_a_target_that_cannot_be_asked_leaves_it_unknown_and_is_never_acted_on() -> None:
    target = Target(*["away"] * (TRIES + 1))
    assert isinstance(await tried(target, tried_before=True), ActionUnknown)
    assert set(target.calls) == {"ask"}


async def test_after_a_crash_a_target_that_goes_away_after_answering_leaves_it_unknown() -> None:
    target = Target("ok", *["away"] * (TRIES + 1))
    assert isinstance(await tried(target, tried_before=True), ActionUnknown)
    assert target.calls.count("act") == 1


async def test_a_commit_in_doubt_is_settled_by_the_receipt() -> None:
    target = Target("lost after", "ok")
    assert isinstance(await tried(target), ActionSucceeded)
    assert (target.calls, target.effects) == (["act", "ask"], 1)


async def test_a_commit_that_did_not_happen_is_done_after_all() -> None:
    target = Target("lost before", "ok", "works")
    assert isinstance(await tried(target), ActionSucceeded)
    assert target.effects == 1


async def test_a_commit_in_doubt_that_nobody_can_settle_is_unknown() -> None:
    target = Target("lost after", "away", "away", "away")
    assert isinstance(await tried(target), ActionUnknown)
    assert target.calls.count("act") == 1


async def test_an_intention_whose_approval_fell_is_only_asked_about() -> None:
    refusal = Refused("digest_mismatch", "due changed")
    target = Target("ok")
    end = await tried(target, tried_before=True, refusal=refusal)
    assert isinstance(end, ActionFailed)
    assert (end.reason_code, target.effects) == ("digest_mismatch", 0)
    target = Target("ok")
    target.effects = 1
    assert isinstance(await tried(target, tried_before=True, refusal=refusal), ActionSucceeded)


def test_what_an_effect_is_recorded_as() -> None:
    work = authorised()
    intent = records.intended(work.case, work.plan.steps[0], None)
    assert isinstance(end_of(intent, Took({"rows": 1}), True), ActionSucceeded)
    assert isinstance(end_of(intent, Doubt("?"), False), ActionUnknown)
    assert isinstance(end_of(intent, Refusal("target_unreachable", "away"), True), ActionUnknown)
    assert isinstance(end_of(intent, Refusal("target_unreachable", "away"), False), ActionFailed)
    assert isinstance(end_of(intent, Refusal("target_refused", "no"), True), ActionFailed)
