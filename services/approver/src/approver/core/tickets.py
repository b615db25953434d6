"""The change ticket of a plan: what is asked of whom, the risk assessment, and what it is bound to."""

from __future__ import annotations

from datetime import datetime

from common.approvals import chain_for, digest_parts
from common.cases import Case, Said
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.periods import later_instant
from common.errors import Permanent
from common.events.approver import (
    ApprovalGiven,
    Chain,
    DigestParts,
    Grant,
    PlanAuthorised,
    RiskAssessment,
    TicketOpened,
)
from common.events.planner import PlanDrafted, Step
from common.ids import event_id

from approver.core.drafting import approval_stream
from approver.core.surroundings import Surroundings


def binding(case: Case, around: Surroundings) -> tuple[Chain, DigestParts]:
    """Who must agree to the case's plan and what they bind to, as things are now.

    Raises `Permanent` when the declarations that it needs are not active (no policy, no such desired state).
    """
    if case.plan is None or case.gap is None:
        raise ValueError(f"case {case.id} has no plan")
    plan = case.plan.data
    chain = chain_for(around.catalogue, around.directory, plan, case.gap.data.severity, around.attributes)
    return chain, digest_parts(around.catalogue, chain, plan, around.facts_now(case))


def expires(catalogue: Catalogue, desired_state: str, asof: datetime) -> str:
    """Until when, on the realm clock, something that begins at `asof` may wait: the policy's `expires`."""
    policy = catalogue.policy(desired_state)
    if policy is None:
        raise Permanent("no_policy", f"no active ApprovalPolicy covers {desired_state}")
    state = catalogue.compiled(desired_state)
    return instant(later_instant(asof, policy.expires, state.zone, state.calendar, strict=False))


def ticket(case: Case, around: Surroundings, asof: datetime) -> TicketOpened:
    """The ticket for the case's plan. Raises `Permanent` as `binding` does."""
    chain, parts = binding(case, around)
    if case.plan is None:
        raise ValueError(f"case {case.id} has no plan")
    said, plan = case.plan, case.plan.data
    stream = approval_stream(case.id)
    number = event_id(TicketOpened.TYPE, stream, said.event.id, str(case.version(stream)))
    return TicketOpened(
        case=case.id,
        ticket=f"CHG-{number[:8].upper()}",
        plan=plan.plan,
        plan_event=said.event.id,
        parts=parts,
        digest=parts.digest,
        chain=chain,
        reasoning=[plan.found, plan.recommends, *(sentence.text for sentence in plan.reasoning)],
        risk_assessment=assess(case, plan, chain, around.catalogue),
        expires=expires(around.catalogue, plan.desired_state, asof),
    )


def assess(case: Case, plan: PlanDrafted, chain: Chain, catalogue: Catalogue) -> RiskAssessment:
    """What is touched, who is affected, what if it fails, how it is undone, and which rule set the class."""
    systems = sorted({step.system for step in plan.steps})
    owners = sorted({catalogue.systems[name].owner for name in systems})
    riskiest = [step.action for step in plan.steps if step.risk == plan.risk]
    routine = all(step.level == "L3" for step in plan.steps)
    return RiskAssessment(
        touches=[_touches(step, catalogue) for step in plan.steps],
        affects=f"{', '.join(sorted({step.target for step in plan.steps}))}; "
        f"the owners of {', '.join(systems)}: {', '.join(owners)}",
        if_it_fails=_if_it_fails(case, plan),
        undo=[f"{step.number} {step.action}: {step.undo or 'can not be undone'}" for step in plan.steps],
        risk=plan.risk,
        set_by=f"the highest risk of its actions ({', '.join(sorted(set(riskiest)))}); policy line: {chain.line}",
        change_class="standard" if routine else "normal",
    )


def _touches(step: Step, catalogue: Catalogue) -> str:
    system = catalogue.systems[step.system]
    kind = "production" if system.production else "not production"
    money = "financial" if system.financial else "not financial"
    return f"{step.system} ({kind}, {money}) through {step.provider}: {step.action} on {step.target}"


def _if_it_fails(case: Case, plan: PlanDrafted) -> str:
    missed = [rule.says for rule in case.gap.data.rules] if case.gap else []
    still = f" Until then this stays as it is: {' '.join(missed)}" if missed else ""
    last = plan.steps[-1].number
    return f"Execution halts at the step that failed (of {last}); nothing is tried again until a person looks.{still}"


def authorised(case: Case, given: list[Said[ApprovalGiven]], around: Surroundings, asof: datetime) -> PlanAuthorised:
    """The grant that `given` makes: exactly the plan's steps, from `asof` on, within the policy's time."""
    if case.plan is None or case.ticket is None or case.confirmation is None:
        raise ValueError(f"case {case.id} is not ready to be authorised")
    steps = case.plan.data.steps
    return PlanAuthorised(
        case=case.id,
        plan=case.plan.data.plan,
        digest=case.ticket.data.digest,
        approvals=[said.event.id for said in given],
        confirmation=case.confirmation.event.id,
        grant=Grant(
            steps=[step.number for step in steps],
            actions=sorted({step.action for step in steps}),
            targets=sorted({step.target for step in steps}),
            count=len(steps),
            not_before=instant(asof),
            expires=expires(around.catalogue, case.plan.data.desired_state, asof),
        ),
    )
