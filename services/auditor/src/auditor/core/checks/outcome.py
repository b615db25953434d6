"""What came of it: the steps' results, the proof from later observations, the soak, the closing."""

from __future__ import annotations

from collections.abc import Sequence

from common.cases import Case, Said
from common.clock import parse_instant
from common.declarations.values import Status
from common.errors import Permanent
from common.events.auditor import ProofSeen, VerificationFailed, VerificationPassed, WatchBegun
from common.events.differ import GapClosed, GapMet, GapOpened, GapSnapshot, ObjectiveSnapshot
from common.events.model import EventData, Fact
from common.events.observer import EntityWithdrawn
from common.events.planner import PlanDrafted
from common.objectives.population import POPULATION, Stood, fact_of

from auditor.core import proving
from auditor.core.checks.answer import Failed, demand
from auditor.core.checks.gates import NOTHING, executions
from auditor.core.evidence import Record
from auditor.core.rereading import Rereading


def done(record: Record) -> str:
    """Each execution that finished has the success of every step; manual ones have the person's signed outcome."""
    by_hand = 0
    for run in (runs := executions(record)):
        case = run.after
        if case.finished is None:
            continue
        for step in run.plan.data.steps:
            attempt = case.attempts.get(step.number)
            if attempt is None or attempt.succeeded is None:
                raise Failed(f"step {step.number} has no success, but the execution is recorded as finished")
            demand(attempt.succeeded.data.idempotency_key == attempt.intended.data.idempotency_key,
                   f"the success of step {step.number} is of another action")  # fmt: skip
            demand(attempt.intended.position < attempt.succeeded.position < case.finished.position,
                   f"step {step.number} was not begun, done and finished in this order")  # fmt: skip
            if step.provider == "manual":
                _by_hand(case, step.number)
                by_hand += 1
    return f"every step succeeded; {by_hand} of them by hand, with the person's signed word" if runs else NOTHING


def _by_hand(case: Case, number: int) -> None:
    outcome, attempt = case.outcomes.get(number), case.attempts[number]
    if outcome is None:
        raise Failed(f"nobody said that step {number} was done by hand")
    decision = outcome.data.decision
    demand(decision.subject == attempt.intended.event.id, f"the outcome of step {number} is of another task")
    demand(decision.step == number and decision.result == "done", f"step {number} was not reported as done")


def facts(record: Record) -> str:
    """Each fact that is cited is what the observation says, read again under the declarations of the time."""
    read = 0
    rereading = Rereading(record)
    for said in record.said:
        if isinstance(said.data, GapSnapshot | GapMet | GapClosed | PlanDrafted | ProofSeen | VerificationPassed):
            observed: dict[str, list[Fact]] = {}
            for fact in _facts(said.data):
                read += _fact(record, said.position, fact)
                if fact.event_id is not None and record.measure(fact.event_id) is None:
                    observed.setdefault(fact.event_id, []).append(fact)
            for event_id, cited in observed.items():
                _read_again(record, rereading, said, event_id, cited)
        if isinstance(said.data, GapClosed) and said.data.accepted is not None:
            _in_force(record, said)
    demand(read > 0, "no fact is cited")
    return f"all {read} cited facts, read again from the observations under the declarations, are the same"


def _in_force(record: Record, closed: Said[GapClosed]) -> None:
    """The accepted gaps that it names were in force as they are named."""
    for one in closed.data.accepted.by if closed.data.accepted is not None else ():
        activation = record.activation("AcceptedGap", one.name, closed.position)
        named = activation is not None and activation.data.digest == one.version
        demand(named, f"{one.name}, by which a gap was accepted, was not in force in that version")


def _facts(data: EventData) -> list[Fact]:
    if isinstance(data, GapSnapshot):
        return [fact for rule in data.rules for fact in rule.facts]
    return list(getattr(data, "facts", ()))


def _fact(record: Record, position: int, fact: Fact) -> int:
    if fact.event_id is None:
        demand(fact.value is None or fact.stream is None, f"{fact.name} names no observation")
        return 0
    if (measure := record.measure(fact.event_id)) is not None:
        return _measure(record, position, fact, measure)
    said = record.observation(fact.event_id)
    if said is None:
        raise Failed(f"the observation that {fact.name} was read from is not among the records")
    where = f"{fact.name} (record {record.numbers([fact.event_id])[0]})"
    demand(said.event.subject == fact.stream, f"{where} names another stream")
    demand(said.position < position, f"{where} was observed after it was used")
    if isinstance(said.data, EntityWithdrawn):
        demand(fact.name == proving.WITHDRAWN, f"{where} is read from a withdrawal")
        return 1
    demand(fact.unknown is None or fact.value is None, f"{where} is unknown and has a value")
    return 1


def _read_again(
    record: Record, rereading: Rereading, said: Said[EventData], event_id: str, cited: Sequence[Fact]
) -> None:
    """What one record knows by one observation is what it says: all facts of it together."""
    observation = record.observation(event_id)
    known = [fact for fact in cited if fact.unknown is None]
    if observation is None or isinstance(observation.data, EntityWithdrawn) or not known:
        return
    wrong = ""
    for again in rereading.readings(said, Said(observation.position, observation.event, observation.data)):
        differing = [(fact, value) for fact in known if (value := again.value(fact.name)) != fact.value]
        if not differing:
            return
        fact, value = differing[0]
        told = f"{fact.value!r} in the record and {value!r} in the observation"
        wrong = wrong or f"{fact.name} (record {record.numbers([event_id])[0]}) is {told}"
    raise Failed(
        wrong or f"record {record.numbers([event_id])[0]} was not the newest event of its case that was known"
    )


def _measure(record: Record, position: int, fact: Fact, said: Said[ObjectiveSnapshot]) -> int:
    where = f"{fact.name} (record {record.numbers([said.event.id])[0]})"
    demand(said.position < position, f"{where} was measured after it was used")
    demand(fact == fact_of(Stood(said.data, said.event)), f"{where} is not what the measure says")
    return 1


def proof(record: Record) -> str:
    """The declared proof holds for the facts that were seen, decided again; after an execution they are newer."""
    case = record.case
    if case.proof is None or case.verification is None or case.gap_closed is None:
        raise Failed("the proof, the passed verification or the closing of the gap is not among the records")
    before = record.case_before(case.proof.position)
    demand(before.gap_closed is not None, "the proof was seen before the gap had closed")
    _lasted(record, case.gap_closed)
    for said in (case.proof, case.verification):
        _stands(record, said)
    version = record.catalogue_at(case.proof.position).version_digest(record.wrong.data.desired_state)
    demand(case.proof.data.version == version, "the proof is of another version of the declaration")
    if record.finished is not None:
        demand(case.proof.position > record.finished.position, "the proof was seen before the execution had finished")
        demand(bool(proving.newer(record)), "no observation of the proof is later than the execution")
        stale = proving.unchanged_only(record)
        demand(not stale, f"{', '.join(stale)} changed, but was observed before the execution had finished")
    return "the declared proof, decided again from the observations, holds; what changed was seen after the execution"


def _lasted(record: Record, closed: Said[GapClosed]) -> None:
    """Where it had to last that nothing failed, it did as the declaration asks, and no failure was said since."""
    name, steady = record.wrong.data.desired_state, closed.data.steady
    catalogue = record.catalogue_at(closed.position)
    # Another version may have been activated while the differ decided by this one: then only the records tell.
    same = name in catalogue.desired_states and catalogue.version_digest(name) == closed.data.version
    span = catalogue.desired_states[name].steady if same else None
    if steady is None:
        waits = span is not None and closed.data.reason == "met" and record.wrong.data.key != POPULATION
        demand(not waits, f"the gap was closed at once; it had to be met for {span}")
        return
    since, until = parse_instant(steady.since), parse_instant(steady.until)
    told = [said for said in record.said if isinstance(said.data, GapSnapshot | GapMet)]
    last = [said for said in told if said.position < closed.position][-1].data
    met = isinstance(last, GapMet) and last.since == steady.since
    demand(met, "it is not recorded that it was met from then on, or something failed again since")
    demand(not same or (span is not None and until == since + span), f"it was to be met for {span}")
    demand(parse_instant(closed.event.asof) >= until, "it was closed before it had been met for so long")


def _stands(record: Record, said: Said[ProofSeen] | Said[VerificationPassed]) -> None:
    """What is recorded as proven is, decided again, proven; or the rules no longer apply to the entity."""
    catalogue, asof = record.catalogue_at(said.position), parse_instant(said.event.asof)
    name, facts = record.wrong.data.desired_state, said.data.facts
    try:
        if record.wrong.data.key == POPULATION:
            gap = [one for one in record.all(GapSnapshot) if one.position < said.position][-1]
            rules = [rule.name for rule in gap.data.rules]
            outcome, applies = proving.population_again(catalogue, name, rules, facts)
        else:
            outcome = proving.prove_again(catalogue, name, facts, asof)
            applies = proving.applies_again(catalogue, name, facts, asof)
    except (Permanent, ValueError, KeyError) as error:
        raise Failed(f"the proof can't be decided again: {error}") from error
    told = f"decided again, the proof of record {record.numbers([said.event.id])[0]} is {outcome.status}"
    demand(not applies or outcome.status is Status.MET, f"{told}: {outcome.reason}")


def soak(record: Record) -> str:
    """The proof held for as long as the declaration asks, on the realm clock, and no rule failed meanwhile."""
    seen, passed = record.case.proof, record.case.verification
    if seen is None or passed is None:
        raise Failed("the proof or the passed verification is not among the records")
    catalogue = record.catalogue_at(seen.position)
    until = proving.soak_end(catalogue, record.wrong.data.desired_state, parse_instant(seen.event.asof))
    demand(
        parse_instant(seen.data.soak_until) == until,
        f"the soak was to last until {until}, not {seen.data.soak_until}",
    )
    demand(parse_instant(passed.event.asof) >= until, f"it passed at {passed.event.asof}, before the soak ended")
    demand(passed.data.soak_from == seen.event.asof and passed.data.soak_until == seen.data.soak_until,
           "the soak that passed is another one")  # fmt: skip
    demand(passed.data.proof == seen.event.id, "what passed is another proof")
    between = [said for said in record.said if seen.position < said.position < passed.position]
    for said in between:
        demand(not isinstance(said.data, VerificationFailed | GapOpened), "a rule failed again during the soak")
    return f"it held from {seen.event.asof} to {seen.data.soak_until} and was then looked at again"


def effects(record: Record) -> str:
    """After an execution: every secondary effect that the declaration names was looked at before and after it, and
    stayed within what is allowed. The figures rest on the whole population, which is not among the records: they are
    the auditor's signed word."""
    passed = record.case.verification
    if passed is None:
        raise Failed("the passed verification is not among the records")
    state = record.catalogue_at(passed.position).compiled(record.wrong.data.desired_state)
    whole = record.wrong.data.key == POPULATION
    begun = record.all(WatchBegun)
    asked = [one.spec.what for one in state.watch if not (whole and one.objective is None)]
    if record.finished is None or not asked or not begun:
        demand(record.finished is None or not asked, "nothing tells how things stood before the execution")
        return "no secondary effect had to be watched for"
    before = {one.what: one for one in begun[-1].data.watched}
    after = {one.what: one for one in passed.data.effects.watched} if passed.data.effects else {}
    for what in asked:
        if what not in before:
            continue  # declared since the execution began
        demand(what in after, f"{what} was not looked at again")
        demand(after[what].held is True, f"{what} is not within what is allowed, and the verification passed")
        same = (after[what].before, after[what].before_value) == (before[what].before, before[what].before_value)
        demand(same, f"{what} is compared with another figure than that of the beginning")
    return f"{len(before)} secondary effects stayed within what the declaration allows, by the auditor's own figures"


def closed(record: Record) -> str:
    """The case was closed on the passed verification, after it, and says truly whether a plan was carried out."""
    case = record.case
    if case.closed is None or case.verification is None:
        raise Failed("the closing or the passed verification is not among the records")
    demand(case.closed.data.verification == case.verification.event.id, "it was closed on another verification")
    demand(case.closed.position > case.verification.position, "it was closed before it was verified")
    how = "remedied" if record.finished is not None else "resolved"
    demand(case.closed.data.how == how, f"it was closed as {case.closed.data.how}; by the records it is {how}")
    return f"the case was closed after its verification, as {how}"
