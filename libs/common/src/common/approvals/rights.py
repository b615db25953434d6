"""Who may decide what, in which role, about what, now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from common.approvals.binding import confirm_roles
from common.approvals.reasons import refuse
from common.cases import Case
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events.approver import Decision, TicketOpened
from common.events.model import Value
from common.events.planner import Step
from common.signing import check_signature

_PARTS = {"confirm": "confirmer", "dispute": "confirmer", "approve": "approver", "release": "releaser"}
_RETURNABLE = {"refused", "expired", "halted", "failed-verification", "inconclusive", "to-approve"}


def parts_taken(case: Case, catalogue: Catalogue) -> dict[str, str]:
    """Which part each person has taken in the case: author, confirmer, approver, releaser or implementer.

    Also where what they decided no longer stands: who confirmed the gap as it was does not approve its next plan.
    """
    taken = dict(case.parts)
    if case.gap is not None:
        taken |= dict.fromkeys(catalogue.authors_of(case.gap.data.desired_state), "author")
    return taken


def check_right(
    decision: Decision, case: Case, catalogue: Catalogue, directory: Directory, attributes: Mapping[str, Value]
) -> None:
    """Raise `Refused` unless this person may decide this, in this role, about this, now. Signatures apart."""
    person = directory.person(decision.person)
    if decision.realm != directory.realm:
        raise refuse("wrong_realm", f"the decision was made for realm {decision.realm}, this is {directory.realm}")
    if decision.case != case.id:
        raise refuse("wrong_case", f"the decision was made for {decision.case}, this is {case.id}")
    if decision.role not in person.roles:
        held = ", ".join(person.roles) or "none"
        raise refuse(
            "role_not_held",
            f"to {decision.kind} takes the role {decision.role}; {person.name} holds: {held}",
            f"ask somebody who holds the role: {', '.join(directory.holders(decision.role)) or 'nobody yet'}",
        )
    _check_apart(decision, case, catalogue)
    _RIGHTS[decision.kind](decision, case, catalogue, directory, attributes)


def admit(
    decision: Decision,
    signature: str | None,
    case: Case,
    catalogue: Catalogue,
    directory: Directory,
    attributes: Mapping[str, Value],
) -> None:
    """Raise `Refused` unless the decision may be recorded: `check_right`, and the person's own signature."""
    check_right(decision, case, catalogue, directory, attributes)
    check_signature(decision, signature, directory.person(decision.person).key)


def _check_apart(decision: Decision, case: Case, catalogue: Catalogue) -> None:
    part = "implementer" if decision.kind == "outcome" else _PARTS.get(decision.kind)
    had = parts_taken(case, catalogue).get(decision.person)
    if part is None or had is None:
        return
    if had == "author":
        raise refuse(
            "author_decides",
            f"{decision.person} wrote the declaration this case comes from and can't be its {part}",
            "ask somebody else who holds the role",
        )
    if had != part:
        raise refuse(
            "not_apart",
            f"{decision.person} is the {had} of this case and can't also be its {part}",
            "ask somebody else who holds the role",
        )
    if part == "approver" and any(said.data.decision.person == decision.person for said in case.approvals):
        raise refuse("already_decided", f"{decision.person} has approved this plan already")


def _need(decision: Decision, roles: Mapping[str, int]) -> None:
    if decision.role not in roles:
        raise refuse(
            "role_not_needed",
            f"{decision.role} is not asked here",
            f"needed: {', '.join(sorted(roles)) or 'nobody'}",
        )


def _stage(case: Case, *stages: str) -> None:
    if case.stage not in stages:
        raise refuse(
            "wrong_stage",
            f"the case is at {case.stage}; this can be decided at {', '.join(sorted(stages))}",
            f"look at it again: trueup show {case.id}",
        )


def _same(decision: Decision, expected: str, what: str) -> None:
    if decision.subject != expected:
        raise refuse(
            "stale_digest",
            f"{what} is now {expected[:12]}, the decision is about {decision.subject[:12]}",
            "look at the case again and decide on what it says now",
        )


def _right_confirm(
    decision: Decision, case: Case, catalogue: Catalogue, directory: Directory, attributes: Mapping[str, Value]
) -> None:
    _stage(case, "to-confirm", "undecided", "disputed")
    if case.gap is None:
        raise refuse("wrong_stage", "no gap is recorded for this case")
    _need(decision, confirm_roles(catalogue, directory, case.gap.data.desired_state, attributes))
    _same(decision, case.gap.data.digest, "what fails")


def _ticket(case: Case) -> TicketOpened:
    if case.ticket is None:
        raise refuse("wrong_stage", "no ticket is open for this case")
    return case.ticket.data


def _right_approve(
    decision: Decision, case: Case, _catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    _stage(case, "to-approve")
    ticket = _ticket(case)
    _need(decision, ticket.chain.approve)
    _same(decision, ticket.digest, "what is to be approved")
    given = sum(said.data.decision.role == decision.role for said in case.approvals)
    if decision.kind == "approve" and given >= ticket.chain.approve[decision.role]:
        raise refuse("role_not_needed", f"{decision.role} has approved already")


def _right_return(
    decision: Decision, case: Case, _catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    _stage(case, *_RETURNABLE)
    ticket = _ticket(case)
    _need(decision, {**ticket.chain.approve, **ticket.chain.confirm})
    _same(decision, ticket.digest, "what was to be approved")


def _right_release(
    decision: Decision, case: Case, _catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    _stage(case, "authorised", "executing")
    ticket = _ticket(case)
    _need(decision, ticket.chain.release)
    _same(decision, ticket.digest, "what was approved")
    step = _step(case, decision.step)
    if step.level != "L2":
        raise refuse("role_not_needed", f"step {step.number} runs at {step.level} and needs no release")
    if step.number in case.releases:
        raise refuse("already_decided", f"step {step.number} has been released")


def _right_outcome(
    decision: Decision, case: Case, catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    _stage(case, "executing")
    step = _step(case, decision.step)
    attempt = case.attempts.get(step.number)
    if step.provider != "manual" or attempt is None or not attempt.open or step.number in case.outcomes:
        raise refuse("wrong_stage", f"step {step.number} is not waiting for a person")
    if decision.result is None:
        raise refuse("wrong_stage", "an outcome says done or not_done")
    _need(decision, {catalogue.systems[step.system].owner: 1})
    _same(decision, attempt.intended.event.id, "the task")


def _right_resume(
    decision: Decision, case: Case, catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    _stage(case, "suspended")
    if case.suspension is None or case.gap is None:
        raise refuse("wrong_stage", "the case is not suspended")
    _need(decision, {catalogue.desired_states[case.gap.data.desired_state].owner: 1})
    _same(decision, case.suspension.event.id, "why it is suspended")


def _step(case: Case, number: int | None) -> Step:
    for step in case.plan.data.steps if case.plan is not None else ():
        if step.number == number:
            return step
    raise refuse("outside_grant", f"the plan has no step {number}")


def _right_declaration(
    decision: Decision, _case: Case, _catalogue: Catalogue, _directory: Directory, _attributes: Mapping[str, Value]
) -> None:
    raise refuse("wrong_stage", f"{decision.kind} is not a decision about a case")


_RIGHTS: dict[str, Callable[[Decision, Case, Catalogue, Directory, Mapping[str, Value]], None]] = {
    "confirm": _right_confirm,
    "dispute": _right_confirm,
    "approve": _right_approve,
    "refuse": _right_approve,
    "return": _right_return,
    "release": _right_release,
    "outcome": _right_outcome,
    "resume": _right_resume,
    "propose": _right_declaration,
    "activate": _right_declaration,
}
