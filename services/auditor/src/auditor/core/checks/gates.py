"""The two gates and the grant, for each execution: who agreed to exactly this, before it began."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from common.approvals import facts_digest
from common.canonical import digest
from common.cases import Case, Said
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.events.approver import Chain, GapConfirmed, PlanAuthorised, TicketOpened
from common.events.differ import GapSnapshot
from common.events.executor import ExecutionStarted
from common.events.planner import PlanDrafted

from auditor.core.checks.answer import Failed, demand
from auditor.core.evidence import Record


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution and what it stood on; `after` is the case when it had ended."""

    plan: Said[PlanDrafted]
    ticket: Said[TicketOpened]
    authorisation: Said[PlanAuthorised]
    started: Said[ExecutionStarted]
    gap: Said[GapSnapshot]
    after: Case


NOTHING = "nothing was executed in this case"


def executions(record: Record) -> list[Execution]:
    """Every execution of the case. Raises `Failed` for one that stands on nothing."""
    found = []
    for after in record.executions:
        started = after.started
        before = record.case_before(started.position) if started else after
        if started is None or before.plan is None or before.gap is None:
            raise Failed("something was executed without a plan")
        if before.ticket is None or before.authorisation is None:
            raise Failed("something was executed without an authorisation (gate 2)")
        found.append(Execution(before.plan, before.ticket, before.authorisation, started, before.gap, after))
    return found


def gate1(record: Record) -> str:
    """Before each execution enough of the right people confirmed exactly the gap that was then planned for."""
    for run in (runs := executions(record)):
        chain, gap = run.ticket.data.chain, run.gap
        given = [
            said
            for said in record.all(GapConfirmed)
            if said.position < run.authorisation.position and said.data.decision.subject == gap.data.digest
        ]
        counts = _by_role(chain, [(said.data.decision.person, said.data.decision.role) for said in given])
        for role, count in chain.confirm.items():
            demand(
                counts[role] >= count, f"gate 1: {count} confirmation(s) in the role {role} of this gap are missing"
            )
        demand(all(said.data.decision.case == record.case.id for said in given), "gate 1: another case was confirmed")
        named = record.by_id.get(run.authorisation.data.confirmation)
        demand(named is not None and named in given, "gate 1: the authorisation rests on another confirmation")
    return "the gap was confirmed by the people who must, before anything was authorised" if runs else NOTHING


def gate2(record: Record) -> str:
    """Before each execution the whole quorum approved exactly its five-part digest."""
    people: set[str] = set()
    for run in (runs := executions(record)):
        ticket, chain = run.ticket.data, run.ticket.data.chain
        approvals = []
        for event_id in run.authorisation.data.approvals:
            said = record.by_id.get(event_id)
            demand(said is not None, "gate 2: an approval that the authorisation names is not among the records")
            approvals.append(said)
        given = [said.data.decision for said in approvals if said is not None]
        for decision in given:
            demand(decision.kind == "approve", f"gate 2: {decision.person} did not approve")
            demand(decision.subject == ticket.digest, f"gate 2: {decision.person} approved another digest")
            demand(decision.case == record.case.id, f"gate 2: {decision.person} approved another case")
        people |= {decision.person for decision in given}
        counts = _by_role(chain, [(decision.person, decision.role) for decision in given])
        for role, count in chain.approve.items():
            demand(
                counts[role] >= count,
                f"gate 2: {count} approval(s) in the role {role} are needed, {counts[role]} given",
            )
        demand(run.authorisation.data.digest == ticket.digest, "gate 2: the authorisation is for another digest")
    return f"the whole quorum approved it: {', '.join(sorted(people))}" if runs else NOTHING


def _by_role(chain: Chain, given: list[tuple[str, str]]) -> Counter[str]:
    """How many different eligible people decided in each role."""
    return Counter(role for person, role in set(given) if person in chain.eligible.get(role, ()))


def five_parts(record: Record) -> str:
    """The digest that was approved is, part by part, that of the plan, declaration, facts, policy and approvers."""
    for run in (runs := executions(record)):
        parts, plan, ticket = run.ticket.data.parts, run.plan.data, run.ticket.data
        catalogue = record.catalogue_at(run.ticket.position)
        name = plan.desired_state
        demand(
            plan.content_digest == plan.recompute_content_digest(), "the plan's content is not what its digest says"
        )
        demand(parts.plan == plan.content_digest, "the approved plan is not the recorded one")
        demand(
            parts.desired_state == catalogue.version_digest(name) == plan.version, "another declaration was approved"
        )
        demand(parts.facts == facts_digest(plan.facts), "the approved facts are not the recorded ones")
        demand(parts.policy == catalogue.policy_digest(name), "another approval policy was in force")
        demand(parts.chain == digest(ticket.chain.model_dump(mode="json")), "the approvers are not the recorded ones")
        demand(parts.digest == ticket.digest, "the five parts do not give the digest that was approved")
        demand(run.started.data.digest == ticket.digest, "what was executed carries another digest")
        demand(ticket.plan == plan.plan == run.started.data.plan == run.authorisation.data.plan, "the plans differ")
        _policy_met(catalogue, run)
    return (
        "plan, declaration, facts, policy and approvers, computed again, give the digest that was approved"
        if runs
        else NOTHING
    )


def _policy_met(catalogue: Catalogue, run: Execution) -> None:
    """The ticket asks for no fewer people than the policy does; a role may be routed to a scoped one."""
    plan, chain = run.plan.data, run.ticket.data.chain
    policy = catalogue.policy(plan.desired_state)
    if policy is None:
        raise Failed("no approval policy covers the desired state")
    needed = catalogue.required_approvals(
        plan.desired_state, [step.action for step in plan.steps], run.gap.data.severity
    )
    for asked, quorum in (
        (needed, chain.approve),
        (policy.confirm_gap, chain.confirm),
        (policy.release_step, chain.release),
    ):
        for role, count in asked.items():
            routed = [
                given
                for name, given in quorum.items()
                if name == role
                or (role in policy.owners and (name.startswith(f"{role}/") or name == policy.owners["otherwise"]))
            ]
            demand(max(routed, default=0) >= count, f"the policy asks for {count} of {role}; the ticket did not")


def order(record: Record) -> str:
    """Both gates stood before the execution began, and each step was begun after it."""
    for run in (runs := executions(record)):
        named = [record.by_id.get(event_id) for event_id in run.authorisation.data.approvals]
        earlier = [said.position for said in named if said is not None]
        confirmed = record.by_id.get(run.authorisation.data.confirmation)
        demand(bool(earlier) and confirmed is not None, "a gate's record is missing")
        assert confirmed is not None
        demand(max(earlier) < run.authorisation.position, "an approval came after the authorisation")
        demand(max(earlier) < run.started.position, "an approval came after the execution began")
        demand(confirmed.position < min(earlier), "the gap was confirmed after the plan was approved")
        demand(run.ticket.position < min(earlier), "an approval came before the ticket")
        demand(run.authorisation.position < run.started.position, "the execution began before it was authorised")
        demand(run.started.data.authorisation == run.authorisation.event.id, "it used another authorisation")
        for attempt in run.after.attempts.values():
            demand(attempt.intended.position > run.started.position, "a step was begun before the execution")
        starts = [other.started.data.authorisation for other in runs]
        demand(len(set(starts)) == len(starts), "one authorisation was used twice")
    return "confirmation, approvals, authorisation and execution follow each other in this order" if runs else NOTHING


def grant(record: Record) -> str:
    """Each step stayed inside the grant, in time, with its release where one is needed, and once."""
    steps = 0
    for run in (runs := executions(record)):
        allowed, plan = run.authorisation.data.grant, {step.number: step for step in run.plan.data.steps}
        demand(allowed.count == len(plan) and sorted(allowed.steps) == sorted(plan), "the grant is not for the plan")
        for number, attempt in run.after.attempts.items():
            data, at = attempt.intended.data, attempt.intended.event.asof
            step = plan.get(number)
            if step is None or number not in allowed.steps:
                raise Failed(f"step {number} is not in the grant")
            same = (data.action, data.target, data.system, data.provider, data.parameters)
            demand(same == (step.action, step.target, step.system, step.provider, step.parameters),
                   f"step {number} was not carried out as approved")  # fmt: skip
            demand(
                step.action in allowed.actions and step.target in allowed.targets,
                f"step {number} is outside the grant",
            )
            within = parse_instant(allowed.not_before) <= parse_instant(at) < parse_instant(allowed.expires)
            demand(within, f"step {number} was begun at {at}, outside the time of the grant")
            _released(record, run, number, step.level)
            steps += 1
    return f"all {steps} steps stayed inside the grant, each with the release it needs" if runs else NOTHING


def _released(record: Record, run: Execution, number: int, level: str) -> None:
    attempt = run.after.attempts[number]
    if level == "L3":
        return
    release = record.by_id.get(attempt.intended.data.release or "")
    if release is None:
        raise Failed(f"step {number} was begun without a release")
    decision, chain = release.data.decision, run.ticket.data.chain
    demand(
        decision.kind == "release" and decision.step == number, f"the release of step {number} is for something else"
    )
    demand(decision.subject == run.ticket.data.digest, f"the release of step {number} is for another digest")
    demand(decision.role in chain.release and decision.person in chain.eligible.get(decision.role, ()),
           f"{decision.person} may not release step {number}")  # fmt: skip
    demand(release.position < attempt.intended.position, f"step {number} was begun before it was released")
