"""Who is asked for what, now; and the decision, ready to be signed, of a person who may make it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common.approvals import check_right, confirm_roles
from common.cases import Case
from common.errors import Permanent, Refused
from common.events.approver import Decision, DecisionKind

from approver.core.surroundings import Surroundings

_RETURNED_FROM = ("refused", "expired", "halted", "failed-verification", "inconclusive")


@dataclass(frozen=True, slots=True)
class Asked:
    """`missing` people of `role` may decide this; `given` have. `waits`: the case does not go on without it."""

    kind: DecisionKind
    role: str
    says: str
    subject: str
    step: int | None = None
    missing: int = 1
    given: tuple[str, ...] = ()
    waits: bool = True


def asked(case: Case, around: Surroundings) -> list[Asked]:
    """Everything that somebody may decide about the case now."""
    try:
        return list(_asked(case, around, case.stage))
    except Permanent:
        return []  # a declaration is missing: nobody can be asked, and the case's line says so


def _asked(case: Case, around: Surroundings, stage: str) -> Iterator[Asked]:
    if stage in ("undecided", "to-confirm", "disputed"):
        yield from _gate1(case, around, stage)
    elif stage == "to-approve":
        yield from _gate2(case)
        yield from _return(case, waits=False)
    elif stage in _RETURNED_FROM:
        yield from _return(case, waits=True)
    elif stage == "suspended":
        yield from _resume(case, around)
    elif stage in ("authorised", "executing"):
        yield from _releases(case)
        yield from _outcomes(case, around)


def _gate1(case: Case, around: Surroundings, stage: str) -> Iterator[Asked]:
    if case.gap is None:
        return
    gap = case.gap.data
    subject = gap.digest
    roles = confirm_roles(around.catalogue, around.directory, gap.desired_state, around.attributes)
    for role in roles:
        yield Asked("confirm", role, "the gap is real", subject, waits=stage != "disputed")
        if stage != "disputed":
            yield Asked("dispute", role, "the gap is not real", subject, waits=False)


def _gate2(case: Case) -> Iterator[Asked]:
    if case.ticket is None:
        return
    ticket = case.ticket.data
    for role, count in ticket.chain.approve.items():
        given = tuple(said.data.decision.person for said in case.approvals if said.data.decision.role == role)
        missing = count - len(given)
        if missing > 0:
            yield Asked("approve", role, f"carry out {ticket.ticket}", ticket.digest, None, missing, given)
            yield Asked("refuse", role, f"do not carry out {ticket.ticket}", ticket.digest, waits=False)


def _return(case: Case, *, waits: bool) -> Iterator[Asked]:
    if case.ticket is None:
        return
    ticket = case.ticket.data
    for role in {**ticket.chain.approve, **ticket.chain.confirm}:
        yield Asked("return", role, "draft another plan", ticket.digest, waits=waits)


def _resume(case: Case, around: Surroundings) -> Iterator[Asked]:
    if case.suspension is not None and case.gap is not None:
        owner = around.catalogue.desired_states[case.gap.data.desired_state].owner
        yield Asked("resume", owner, "what undoes the fixes was dealt with", case.suspension.event.id)


def _releases(case: Case) -> Iterator[Asked]:
    if case.ticket is None or case.plan is None:
        return
    ticket = case.ticket.data
    for step in case.plan.data.steps:
        if step.level == "L2" and step.number not in case.releases and step.number not in case.attempts:
            for role in ticket.chain.release:
                says = f"step {step.number}, {step.action}, may run now"
                yield Asked("release", role, says, ticket.digest, step.number)


def _outcomes(case: Case, around: Surroundings) -> Iterator[Asked]:
    for number, attempt in case.attempts.items():
        intent = attempt.intended
        if intent.data.provider == "manual" and attempt.open and number not in case.outcomes:
            role = around.catalogue.systems[intent.data.system].owner
            says = f"step {number}, {intent.data.action}, was done by hand, or could not be"
            yield Asked("outcome", role, says, intent.event.id, number)


def blank(case: str, realm: str, person: str, ask: Asked) -> Decision:
    """The decision that `ask` is for, with everything filled in but what only the person can: when, nonce, comment,
    and for an outcome the result."""
    return Decision(
        kind=ask.kind,
        realm=realm,
        case=case,
        person=person,
        role=ask.role,
        subject=ask.subject,
        made_at="",
        nonce="",
        step=ask.step,
        result="done" if ask.kind == "outcome" else None,
    )


def may(case: Case, person: str, ask: Asked, around: Surroundings) -> bool:
    """Whether this person may decide this now."""
    try:
        decision = blank(case.id, around.directory.realm, person, ask)
        check_right(decision, case, around.catalogue, around.directory, around.attributes)
    except (Refused, Permanent):
        return False
    return True


def options(case: Case, person: str, around: Surroundings) -> list[Asked]:
    """What this person may decide now: each kind and step once, in the first role that allows it."""
    found: dict[tuple[str, int | None], Asked] = {}
    for ask in asked(case, around):
        if (ask.kind, ask.step) not in found and may(case, person, ask, around):
            found[ask.kind, ask.step] = ask
    return list(found.values())


def template(
    case: Case, person: str, kind: DecisionKind, step: int | None, role: str | None, around: Surroundings
) -> Asked:
    """What `person` would sign to decide `kind`. Raises the `Refused` that they would meet if they may not."""
    asks = [ask for ask in asked(case, around) if ask.kind == kind and step in (None, ask.step)]
    asks = [ask for ask in asks if role in (None, ask.role)]
    for ask in asks:
        if may(case, person, ask, around):
            return ask
    held = around.directory.person(person).roles
    mine = [ask for ask in asks if ask.role in held]
    closest = mine[0] if mine else _not_asked(case, kind, step, role or _role_here(case, kind, held, asks))
    decision = blank(case.id, around.directory.realm, person, closest)
    check_right(decision, case, around.catalogue, around.directory, around.attributes)
    raise Refused("wrong_stage", f"nobody is asked to {kind} here", f"look at the case: trueup show {case.id}")


def _role_here(case: Case, kind: DecisionKind, held: tuple[str, ...], asks: list[Asked]) -> str:
    """The role to refuse a person in: one they hold that has a part in this, else the one that is asked."""
    chain = case.ticket.data.chain.approve if case.ticket and kind in ("approve", "refuse") else {}
    parts = [role for role in held if role in chain] + [ask.role for ask in asks] + list(held)
    return parts[0] if parts else ""


def _not_asked(case: Case, kind: DecisionKind, step: int | None, role: str) -> Asked:
    """Nobody is asked for this: what the gate has to say to somebody who decides it all the same."""
    subject = case.ticket.data.digest if case.ticket else case.gap.data.digest if case.gap else ""
    return Asked(kind, role, "", subject, step)
