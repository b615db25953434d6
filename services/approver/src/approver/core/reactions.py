"""What follows, without anybody deciding, from how a case stands now.

All of it looks at the case as it is, not at the message that told of a change: seen twice, late or after a restart,
the same case leads to the same events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.approvals import facts_digest, quorum, what_changed
from common.cases import Case
from common.clock import parse_instant
from common.errors import Permanent, Refused
from common.events import Event
from common.events.approver import ApprovalVoided, PlanExpired, TicketOpened
from common.events.differ import GapChanged, GapSnapshot
from common.service_keys import check_service_signature

from approver.core.drafting import Draft
from approver.core.surroundings import Surroundings
from approver.core.tickets import authorised, binding, ticket


@dataclass(frozen=True, slots=True)
class Left:
    """A ticket whose plan the planner withdrew before anybody voided the ticket, and the event that did so."""

    ticket: TicketOpened
    by: Event
    reason: str


def react(draft: Draft, around: Surroundings, left: Left | None = None) -> str:
    """Void what no longer holds, open the ticket that is due, authorise what is complete.

    Answers why the case can't go on although it should (a declaration is missing, the plan is not the planner's);
    empty when all is well.
    """
    if left is not None:
        _void(draft, left.ticket.plan, left.ticket.digest, [left.reason], left.by)
    if not _undecided(draft.case):
        return ""
    try:
        _void_stale(draft, around)
        _open(draft, around)
        _authorise(draft, around)
    except Permanent as error:
        return error.message
    except Refused as refusal:
        return str(refusal)
    return ""


def _undecided(case: Case) -> bool:
    """Whether approvals of a plan still count for something: nothing has begun, ended or been refused."""
    over = (case.started, case.refusal, case.expiry, case.closed)
    return case.plan is not None and case.gap is not None and all(said is None for said in over)


def _void(draft: Draft, plan: str, digest: str, changed: list[str], cause: Event | None) -> None:
    draft.add(ApprovalVoided(case=draft.case.id, plan=plan, digest=digest, changed=changed), cause)


def _void_stale(draft: Draft, around: Surroundings) -> None:
    case = draft.case
    if case.ticket is None or case.plan is None or case.gap is None:
        return
    _, parts = binding(case, around)
    changed = what_changed(case.ticket.data, parts, case.plan.data.facts, around.facts_now(case))
    changed += _gate1_changes(case)
    if changed:
        cause = case.gap.event if case.gap.position > case.ticket.position else case.ticket.event
        _void(draft, case.plan.data.plan, case.ticket.data.digest, changed, cause)


def _gate1_changes(case: Case) -> list[str]:
    """What fails is no longer what was confirmed: the plan's approvals rest on a gap that nobody confirmed."""
    if case.gap is None or case.confirmation is None:
        return ["the gap is no longer confirmed"]
    if case.confirmation.data.decision.subject == case.gap.data.digest:
        return []
    return [f"what fails is no longer what was confirmed: {'; '.join(_said(case.gap.data))}"]


def _said(gap: GapSnapshot) -> list[str]:
    if isinstance(gap, GapChanged) and gap.changed:
        return gap.changed
    return [f"{rule.name} {rule.status}" for rule in gap.rules]


def _open(draft: Draft, around: Surroundings) -> None:
    case = draft.case
    if case.ticket is not None or case.plan is None or not case.confirmed:
        return
    if case.gap_closed is not None or case.met is not None:  # nothing fails
        return
    plan = case.plan.data
    if around.catalogue.version_digest(plan.desired_state) != plan.version:
        return  # the planner is about to supersede it
    if facts_digest(around.facts_now(case)) != facts_digest(plan.facts):
        return
    check_signed(draft, around)
    draft.add(ticket(case, around, draft.when.asof), case.plan.event)


def _authorise(draft: Draft, around: Surroundings) -> None:
    case = draft.case
    given = quorum(case)
    if given and case.authorisation is None and case.confirmed:
        check_signed(draft, around)
        draft.add(authorised(case, given, around, draft.when.asof), given[-1].event)


def check_signed(draft: Draft, around: Surroundings) -> None:
    """Raise `Refused` unless the planner signed the case's plan and the approver its ticket, where it has one. What
    the draft itself adds is signed when it is appended."""
    for said in (draft.case.plan, draft.case.ticket):
        if said is not None and not any(said.event is added for added in draft.events):
            check_service_signature(said.event, around.service_keys)


def deadline(case: Case) -> datetime | None:
    """The instant at which the case's ticket, or the grant, runs out; None when nothing waits."""
    if case.ticket is None or not _undecided(case):
        return None
    if case.authorisation is not None:
        return parse_instant(case.authorisation.data.grant.expires)
    return parse_instant(case.ticket.data.expires)


def expire(draft: Draft) -> None:
    """Record that the time ran out, if it has by the draft's instant. A timeout never approves."""
    case = draft.case
    due = deadline(case)
    if due is None or case.ticket is None or case.plan is None or draft.when.asof < due:
        return
    over = case.authorisation.data.grant.expires if case.authorisation else case.ticket.data.expires
    data = PlanExpired(case=case.id, plan=case.plan.data.plan, digest=case.ticket.data.digest, expired_at=over)
    draft.add(data, case.authorisation.event if case.authorisation else case.ticket.event)


def left_behind(events: list[Event], case: Case) -> Left | None:
    """The ticket, if any, that was open when the planner superseded its plan, and that nobody has voided yet.

    `events` are the case's, in order. Only while no later ticket is open: voiding would hit that one.
    """
    if case.ticket is not None:
        return None
    open_ticket: TicketOpened | None = None
    found: Left | None = None
    for event in events:
        if event.type == TicketOpened.TYPE:
            open_ticket, found = TicketOpened.of(event), None
        elif event.type in _ENDS_TICKET:
            open_ticket, found = None, None
        elif event.type == _SUPERSEDED and open_ticket is not None and event.data["plan"] == open_ticket.plan:
            found = Left(open_ticket, event, f"the plan was withdrawn: {event.data['reason']}")
            open_ticket = None
    return found


_SUPERSEDED = "trueup.plan.superseded.v1"
_ENDS_TICKET = frozenset(
    {
        ApprovalVoided.TYPE,
        PlanExpired.TYPE,
        "trueup.approval.refused.v1",
        "trueup.plan.returned.v1",
        "trueup.execution.started.v1",
    }
)
