"""What each chapter of the narrative says, sentence by sentence, read from the records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from common.cases import Said
from common.events.approver import Decision
from common.events.differ import FailingRule, GapOpened, GapSnapshot
from common.events.observer import EntityObserved
from common.events.planner import PlanDrafted, PlanWithheld, Prediction
from common.objectives import evidence
from common.objectives.population import whole

from auditor.core.deeds import done
from auditor.core.evidence import Record
from auditor.core.findings import checked
from auditor.core.limits import unknown
from auditor.core.sentences import Sentence, says
from auditor.core.telling import decided, described, instants, proposed_steps
from auditor.core.wording import (
    bounded,
    counted,
    day,
    listed,
    lower_first,
    moment,
    plain,
    quoted,
    sentence_case,
    unended,
)

MOST_RULES = 5
MOST_STEPS = 6
MOST_ALTERNATIVES = 4

__all__ = ["agreed", "checked", "done", "headline", "unknown", "why", "wrong"]


def headline(record: Record) -> str | None:
    """What the source calls the entity: its attribute named title, name, subject or summary, where it has one."""
    gap = record.wrong
    entity_type = record.entity_type(gap.data.entity_type, gap.position)
    if together := whole(gap.data.entity_type, gap.data.key):
        return together
    rows = [said for said in record.all(EntityObserved) if said.data.key == gap.data.key]
    if entity_type is None or not rows:
        return None
    for name in ("title", "name", "subject", "summary"):
        attribute = entity_type.attributes.get(name)
        text = rows[0].data.row.get(attribute.column) if attribute else None
        if isinstance(text, str) and text.strip():
            return plain(text, 160)
    return None


def wrong(record: Record) -> Iterable[Sentence]:
    """The facts, the rules they broke, where the rules come from and who put them in force."""
    gap = record.wrong
    facts = [fact for rule in gap.data.rules for fact in rule.facts]
    yield from described(record, facts)
    for rule in gap.data.rules[:MOST_RULES]:
        yield says(_broken(rule), gap.event.id)
        if rule.measured is not None:
            yield from (says(unended(plain(told, 500)), gap.event.id) for told in evidence.sentences(rule.measured))
    if len(gap.data.rules) > MOST_RULES:
        yield says(f"{counted(len(gap.data.rules) - MOST_RULES, 'more rule')} failed as well", gap.event.id)
    yield from _declared(record, gap)
    opened = record.all(GapSnapshot)[0]
    found = "found" if isinstance(opened.data, GapOpened) else "first seen as undecidable"
    yield says(
        f"The gap was {found} on {day(opened.event.asof)}; its severity was {plain(gap.data.severity, 40)}",
        opened.event.id,
        gap.event.id,
    )


def _broken(rule: FailingRule) -> str:
    if rule.status == "unknown":
        reason = unended(plain(rule.reason or "the reason was not recorded", 160))
        return f'The rule "{plain(rule.name, 60)}" could not be decided: {reason}'
    if rule.kind == "objective":
        return f'The objective "{plain(rule.name, 60)}" was missed: {unended(plain(rule.says))}'
    due = f" (missed since {moment(rule.due)})" if rule.due else ""
    return f'That broke the rule "{plain(rule.name, 60)}"{due}: {unended(plain(rule.says))}'


def _declared(record: Record, gap: Said[GapSnapshot]) -> Iterable[Sentence]:
    state = record.desired_state
    activation = record.activation("DesiredState", gap.data.desired_state, gap.position)
    if state is None or activation is None:
        return
    proposal = record.proposal(activation)
    author = record.name_of(activation.data.author)
    yield says(
        f"The rule belongs to this declaration: {quoted(state.statement)}",
        activation.event.id,
    )
    yield says(
        f"It rests on {quoted(state.basis, 160)}; {plain(author)} wrote it, "
        f"{plain(record.name_of(activation.data.decision.person))} put it in force on {day(activation.event.asof)} "
        f"(version {activation.data.declared_version})",
        proposal.event.id if proposal else None,
        activation.event.id,
    )


def why(record: Record) -> Iterable[Sentence]:
    """What was drafted, by whom, for which reason, and what was set aside."""
    plan = record.carried.plan if record.carried else None
    if plan is None:
        yield from _no_plan(record)
        return
    yield says(_drafted(plan.data), plan.event.id)
    yield says(f"Its steps: {'; '.join(bounded(proposed_steps(plan.data), MOST_STEPS))}", plan.event.id)
    reasons = [f"for step {step.number}, {quoted(_ended(step.why), 160)}" for step in plan.data.steps]
    cites = [event_id for reason in plan.data.reasoning for event_id in reason.cites]
    yield says(f"Its reasons, in its own words: {'; '.join(bounded(reasons, MOST_STEPS))}", plan.event.id, *cites)
    yield from _set_aside(plan)
    if plan.data.predictions:
        kept = [_prediction(item) for item in plan.data.predictions]
        yield says(f"It asked to be judged on this: {'; '.join(bounded(kept, 3))}", plan.event.id)


def _drafted(plan: PlanDrafted) -> str:
    steps = counted(len(plan.steps), "step")
    if plan.planner.startswith("playbook"):
        return (
            f"The change was drafted by software, the playbook planner ({plain(plan.planner, 60)}): it fills in the "
            f"declared playbook, uses no AI model and may only draft; it proposed {steps}"
        )
    drafter = f"an AI agent ({plain(plan.planner, 60)}), which may only draft"
    return f"The change was drafted by {drafter}; it proposed {steps}"


def _ended(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."


def _prediction(kept: Prediction) -> str:
    return f"{quoted(unended(kept.says), 160)}{f' by {day(kept.by)}' if kept.by else ''}"


def _set_aside(plan: Said[PlanDrafted]) -> Iterable[Sentence]:
    if not plan.data.alternatives:
        return
    number = counted(len(plan.data.alternatives), "alternative")
    told = "; ".join(bounded([plain(item.name, 80) for item in plan.data.alternatives], 8))
    yield says(f"It set aside {number}: {told}", plan.event.id)
    for item in plan.data.alternatives[:MOST_ALTERNATIVES]:
        yield says(
            f'Why not "{plain(item.name, 80)}": {quoted(_ended(item.reason), 200)}', plan.event.id, *item.cites
        )


def _no_plan(record: Record) -> Iterable[Sentence]:
    closing = record.case.closed or record.wrong
    withheld = record.all(PlanWithheld)
    yield says("Nothing was changed through Trueup: no plan of this case was carried out", closing.event.id)
    if withheld:
        reason = unended(plain(withheld[-1].data.reason, 200))
        yield says(f"No plan was drafted, because {lower_first(reason)}", withheld[-1].event.id)


def agreed(record: Record) -> Iterable[Sentence]:
    """Who took which part, when, with which words; and that nobody took two."""
    case = record.carried or record.case
    confirmation = case.confirmation
    if confirmation is not None:
        text = decided(record, confirmation.data.decision, confirmation.event.asof, "confirmed that the gap was real")
        yield says(text, confirmation.event.id)
    else:
        yield says("Nobody was asked to confirm the gap before it closed", record.wrong.event.id)
    if not case.approvals or case.authorisation is None:
        yield says("No plan was approved, and nothing was carried out", record.wrong.event.id)
        return
    for approval in case.approvals:
        text = decided(record, approval.data.decision, approval.event.asof, "approved the plan")
        yield says(text, approval.event.id)
    yield from _released(record)
    yield from _bound(record)


def _released(record: Record) -> Iterable[Sentence]:
    by_person: dict[str, list[tuple[int, str, Decision, str]]] = {}
    for number, said in sorted((record.carried or record.case).releases.items()):
        decision = said.data.decision
        by_person.setdefault(decision.person, []).append((number, said.event.id, decision, said.event.asof))
    for given in by_person.values():
        steps = listed(str(number) for number, _, _, _ in given)
        what = f"released {'step' if len(given) == 1 else 'steps'} {steps}"
        when = instants(asof for _, _, _, asof in given)
        _, _, decision, _ = given[0]
        yield says(f"{_who(record, decision)} {what} on {when}", *(event_id for _, event_id, _, _ in given))


def _who(record: Record, decision: Decision) -> str:
    return f"{plain(record.name_of(decision.person), 80)} ({plain(decision.role, 60)})"


def _bound(record: Record) -> Iterable[Sentence]:
    case = record.carried or record.case
    assert case.ticket is not None
    assert case.authorisation is not None
    ticket = case.ticket.data
    approvals = [said.event.id for said in case.approvals]
    yield says(
        f"What they approved is one digest, {ticket.digest[:8]}…, over the plan, the declaration, the facts, the "
        f"policy and the approvers, on ticket {plain(ticket.ticket, 60)}; each signed it with a key of their own",
        case.ticket.event.id,
        *approvals,
    )
    parts = _parts(record)
    people = sentence_case(counted(len(set(parts.values())), "person").replace("persons", "people"))
    told = f"{people} wrote, confirmed, approved, released and carried it out; nobody took two of these parts"
    yield says(told, *parts)
    if case.started is not None:
        yield says("Nothing was carried out before the last approval", approvals[-1], case.started.event.id)


def _parts(record: Record) -> dict[str, str]:
    """Event id → person, of every decision in the case and of its declaration's author."""
    case, gap = record.carried or record.case, record.wrong
    activation = record.activation("DesiredState", gap.data.desired_state, gap.position)
    parts = {activation.event.id: activation.data.author} if activation else {}
    decisions: Sequence[Said] = [  # type: ignore[type-arg]  # all carry a decision
        *([case.confirmation] if case.confirmation else []),
        *case.approvals,
        *case.releases.values(),
        *case.outcomes.values(),
    ]
    return parts | {said.event.id: said.data.decision.person for said in decisions}
