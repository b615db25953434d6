"""Quorum, and what the executor checks again before it starts and before each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from common.approvals.binding import chain_for, digest_parts, what_changed
from common.approvals.reasons import REASONS, refuse
from common.approvals.rights import parts_taken
from common.cases import Attempt, Case, Said
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events import Event
from common.events.approver import ApprovalGiven, Chain, Decision, ReleaseGiven, TicketOpened
from common.events.model import Fact, Value
from common.events.planner import PlanDrafted, Step
from common.service_keys import ServiceKeys, check_service_signature
from common.signing import check_signature


def quorum(case: Case) -> list[Said[ApprovalGiven]] | None:
    """The approvals that complete the ticket's chain, or None while somebody is missing."""
    if case.ticket is None:
        return None
    ticket = case.ticket.data
    given = [said for said in case.approvals if said.data.decision.subject == ticket.digest]
    counts = Counter(said.data.decision.role for said in given)
    complete = all(counts[role] >= count for role, count in ticket.chain.approve.items())
    return given if complete else None


def check_services(case: Case, keys: ServiceKeys) -> str:
    """Raise `Refused` unless the planner signed the plan, the approver its ticket and authorisation, and the executor
    what it has begun and done: a start that another wrote would stand for checks that nobody made."""
    done = [said for attempt in case.attempts.values() for said in attempt.said()]
    for said in (case.plan, case.ticket, case.authorisation, case.started, *done):
        if said is not None:
            check_service_signature(said.event, keys)
    return "plan, ticket and authorisation are signed by the services that write them, with keys that are trusted"


def check_exempt(case: Case, exempt: Mapping[str, str]) -> None:
    """Raise `Refused` where a rule of the gap is to be left alone, or the case is suspended. `exempt`: rule ->
    accepted or ignored, as `common.facts.exemptions` finds it now, whatever the differ has said yet."""
    if case.suspension is not None:
        raise refuse("case_suspended", case.suspension.data.says)
    for rule in case.gap.data.rules if case.gap is not None else ():
        if (kind := exempt.get(rule.name)) is not None:
            raise refuse(f"gap_{kind}", f"{rule.name}: {REASONS[f'gap_{kind}']}")


def check_resumed(case: Case, directory: Directory) -> None:
    """Raise `Refused` where a suspended case went on and the person who is said to have let it did not sign that.
    Somebody who has left since did decide it."""
    if case.resumed is None:
        return
    suspended, resumed = case.resumed
    decision = resumed.data.decision
    check_signed(decision, resumed.event, case, directory)
    if decision.kind != "resume" or decision.subject != suspended.event.id:
        raise refuse("case_suspended", f"{decision.person} signed something else than that the case may go on")


def check_execution(
    case: Case,
    catalogue: Catalogue,
    directory: Directory,
    facts: Sequence[Fact],
    attributes: Mapping[str, Value],
    asof: datetime,
) -> list[str]:
    """What the executor makes sure of before ExecutionStarted; it returns what it checked, in words.

    `facts` are the plan's facts and `attributes` the entity's, both as the executor folds them now. Raises
    `Refused` with the first thing that does not hold.
    """
    plan, ticket = _check_gates_recorded(case)
    if case.started is not None:
        raise refuse("already_consumed")
    if case.gap_closed is not None or case.gap is None:
        raise refuse("gap_closed")
    if case.met is not None:
        raise refuse("gap_met")
    if catalogue.version_digest(plan.desired_state) != plan.version:
        raise refuse("version_changed")
    chain = chain_for(catalogue, directory, plan, case.gap.data.severity, attributes)
    now = digest_parts(catalogue, chain, plan, facts)
    if now.digest != ticket.digest or ticket.parts.digest != ticket.digest:
        changed = what_changed(ticket, now, plan.facts, facts)
        raise refuse("digest_mismatch", "what was approved no longer holds: " + "; ".join(changed))
    _check_confirmation(case, catalogue, directory, chain)
    people = _check_approvals(case, catalogue, directory, ticket)
    _check_grant(case, plan, asof)
    return [
        "gate 1: the gap was confirmed by a person who may, with a valid signature",
        f"gate 2: {', '.join(sorted(people))} approved this digest, each with a valid signature",
        "segregation: nobody took two parts in the case",
        "the five-part digest, recomputed from the ledger, is the one that was approved",
        "the grant has not expired and was not used before",
    ]


def _check_gates_recorded(case: Case) -> tuple[PlanDrafted, TicketOpened]:
    if case.confirmation is None or case.dispute is not None:
        raise refuse("gate1_missing")
    if case.plan is None or case.ticket is None or case.authorisation is None:
        raise refuse("gate2_missing")
    if not case.authorisation.data.digest == case.ticket.data.digest == case.ticket.data.parts.digest:
        raise refuse("digest_mismatch", "authorisation, ticket and parts do not carry the same digest")
    return case.plan.data, case.ticket.data


def _check_confirmation(case: Case, catalogue: Catalogue, directory: Directory, chain: Chain) -> None:
    if case.confirmation is None or case.gap is None:
        raise refuse("gate1_missing")
    decision = case.confirmation.data.decision
    if decision.subject != case.gap.data.digest:
        raise refuse("gate1_stale")
    _check_person(decision, case.confirmation.event, case, directory)
    if decision.kind != "confirm" or decision.role not in chain.confirm:
        raise refuse("gate1_missing", f"{decision.role} is not the role that confirms this gap")
    if decision.person in catalogue.authors_of(case.gap.data.desired_state):
        raise refuse("author_decides")
    _check_part(decision, "confirmer", case, catalogue)


def _check_approvals(case: Case, catalogue: Catalogue, directory: Directory, ticket: TicketOpened) -> set[str]:
    people: set[str] = set()
    counts: Counter[str] = Counter()
    for said in case.approvals:
        decision = said.data.decision
        _check_person(decision, said.event, case, directory)
        if decision.kind != "approve" or decision.subject != ticket.digest:
            raise refuse("digest_mismatch", f"{decision.person} approved something else")
        _check_part(decision, "approver", case, catalogue)
        if decision.person in people:
            raise refuse("not_apart", f"{decision.person} takes two parts in the case")
        people.add(decision.person)
        counts[decision.role] += 1
    missing = [role for role, count in ticket.chain.approve.items() if counts[role] < count]
    if missing:
        raise refuse("quorum_incomplete", f"still to approve: {', '.join(sorted(missing))}")
    return people


def _check_part(decision: Decision, part: str, case: Case, catalogue: Catalogue) -> None:
    if parts_taken(case, catalogue).get(decision.person) != part:
        raise refuse("not_apart", f"{decision.person} takes two parts in the case")


def _check_person(decision: Decision, event: Event, case: Case, directory: Directory) -> None:
    """What rests on their word now is done in their name: who has left, or lost the role, does not count any more."""
    check_signed(decision, event, case, directory)
    person = directory.person(decision.person)
    if decision.role not in person.roles:
        raise refuse("role_not_held", f"{person.name} does not hold the role {decision.role}")


def check_signed(decision: Decision, event: Event, case: Case, directory: Directory) -> None:
    """Raise `Refused` unless the person whom the decision names signed it, with the key that counted for them when
    `event` recorded it, about this case of this realm."""
    check_signature(decision, event.signature, directory.decided(decision.person, event.time)[1])
    if decision.realm != directory.realm:
        raise refuse("wrong_realm")
    if decision.case != case.id:
        raise refuse("wrong_case")


def _check_grant(case: Case, plan: PlanDrafted, asof: datetime) -> None:
    if case.authorisation is None:
        raise refuse("gate2_missing")
    grant = case.authorisation.data.grant
    if asof >= parse_instant(grant.expires) or asof < parse_instant(grant.not_before):
        raise refuse("grant_expired", f"the grant is for {grant.not_before} to {grant.expires}")
    numbers = [step.number for step in plan.steps]
    if grant.steps != numbers or grant.count != len(numbers):
        raise refuse("outside_grant", "the grant is not for the plan's steps")
    if {step.target for step in plan.steps} - set(grant.targets):
        raise refuse("outside_grant", "the plan names a target that the grant does not")
    if {step.action for step in plan.steps} - set(grant.actions):
        raise refuse("outside_grant", "the plan names an action that the grant does not")


def check_step(
    case: Case, step: Step, catalogue: Catalogue, directory: Directory, asof: datetime
) -> Said[ReleaseGiven] | None:
    """Whether `step` may be intended now: the release it consumes, or None at Level 3. Raises `Refused`."""
    if case.authorisation is None or case.ticket is None or case.started is None:
        raise refuse("gate2_missing")
    if step.number not in case.authorisation.data.grant.steps:
        raise refuse("outside_grant")
    if asof >= parse_instant(case.authorisation.data.grant.expires):
        raise refuse("grant_expired")
    attempt: Attempt | None = case.attempts.get(step.number)
    if attempt is not None:
        raise refuse("already_consumed", f"step {step.number} was begun already")
    if step.level == "L3":
        return None
    release = case.releases.get(step.number)
    if release is None:
        raise refuse("release_missing")
    decision = release.data.decision
    _check_person(decision, release.event, case, directory)
    if decision.kind != "release" or decision.step != step.number or decision.subject != case.ticket.data.digest:
        raise refuse("digest_mismatch", f"the release of step {step.number} is for something else")
    if decision.role not in case.ticket.data.chain.release:
        raise refuse("role_not_held", f"{decision.role} does not release steps of this case")
    _check_part(decision, "releaser", case, catalogue)
    return release
