"""What the auditor says about a case: proof seen, passed, failed, inconclusive, closed.

Decided from the case's events and from what the auditor itself sees of the entity; never from what the executor says
about its own success.

    gap closed + proof holds (after an execution: seen in newer observations)  → ProofSeen, soak begins
    soaking, a rule fails or the proof is lost                                 → VerificationFailed, the case goes on
    soaking, soak is over, proof holds now                                     → VerificationPassed, CaseClosed
    executed, no proof within the declared time                                → VerificationInconclusive
    unknown                                                                    → nothing, until it is known
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from common.cases import Case, Said
from common.clock import instant, parse_instant
from common.errors import Refused
from common.events import Origin, new_event, typed
from common.events.auditor import (
    CaseClosed,
    Effects,
    ProofSeen,
    VerificationFailed,
    VerificationInconclusive,
    VerificationPassed,
    WatchBegun,
    Watched,
)
from common.events.envelope import Event
from common.events.executor import ExecutionFinished
from common.events.model import EventData, Value
from common.objectives.population import POPULATION
from common.service_keys import ServiceKeys, check_service_signature

from auditor.core import effects, proving
from auditor.core.seeing import Sight

SOAK, WITHIN = "soak", "within"
ACTOR = "service:auditor"


@dataclass(frozen=True, slots=True)
class Dates:
    """When an observation was made: its ledger position, and the source's own time (RFC 3339)."""

    position: int
    source_time: str
    event: Event


@dataclass(frozen=True, slots=True)
class Story:
    """A case and what its fold forgets: the end of its last execution, what was known before that, all that the
    executor has `executed`, by the realm clock when it was `opened` (the `asof` of its first event), and how things
    stood when its last execution had `begun`, where that is watched."""

    case: Case
    finished: Said[ExecutionFinished] | None = None
    known: Mapping[str, Value] = field(default_factory=dict)
    executed: tuple[Said[EventData], ...] = ()
    opened: str = ""
    begun: WatchBegun | None = None

    @classmethod
    def fold(cls, case_id: str, events: Iterable[tuple[int, Event]]) -> Story:
        """The story after `events`, (position, event), ascending."""
        listed = list(events)
        case = Case.fold(case_id, listed)
        executed = tuple(Said(at, event, typed(event)) for at, event in listed if event.source == "executor")
        ends = [(position, event) for position, event in listed if event.type == ExecutionFinished.TYPE]
        opened = listed[0][1].asof if listed else ""
        watches = [WatchBegun.of(event) for _, event in listed if event.type == WatchBegun.TYPE]
        begun = watches[-1] if watches else None
        if not ends:
            return cls(case, executed=executed, opened=opened, begun=begun)
        position, event = ends[-1]
        before = (typed(other) for at, other in listed if at < position)
        return cls(
            case,
            Said(position, event, ExecutionFinished.of(event)),
            proving.known_before(before),
            executed,
            opened,
            begun,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to record, and the event that led to it."""

    data: EventData
    cause: Event


def watched(case: Case) -> bool:
    """Whether an observation, or the clock, may decide something in this case."""
    return case.closed is None and (case.gap_closed is not None or case.proof is not None)


def needs_sight(case: Case) -> bool:
    """Whether deciding about the case takes what is observed of its entity."""
    return watched(case) or (case.closed is None and case.started is not None)


def begins(story: Story, version: str, watched: Sequence[Watched]) -> Finding | None:
    """What is recorded when an execution has begun whose effects are watched for, once."""
    started = story.case.started
    if started is None or story.case.closed is not None or not watched:
        return None
    if story.begun is not None and story.begun.execution == started.event.id:
        return None
    data = WatchBegun(case=story.case.id, version=version, execution=started.event.id, watched=list(watched))
    return Finding(data, started.event)


def decide(
    story: Story,
    sight: Sight,
    dates: Mapping[str, Dates],
    soak_end: datetime,
    within_end: datetime | None,
    asof: datetime,
    found: Effects | None = None,
) -> list[Finding]:
    """What is to be recorded now, in order; nothing when nothing new is to be said. `found` are the effects of an
    execution, as they are now: while one is worse than it may be, or can't be told, nothing is proven.

    `dates` are those of the observations that `sight` rests on. `soak_end` is when a proof first seen at `asof` has
    held long enough, `within_end` until when the proof must come after the last execution.
    """
    case = story.case
    if case.gap is None or case.closed is not None or case.executing:
        return []
    if case.proof is not None:
        return _soaking(story, sight, dates, asof, found)
    harmless = found is None or all(one.held for one in found.watched)
    seen = case.gap_closed is not None and sight.standing in ("holds", "gone")
    if case.gap_closed is not None and seen and harmless and _fresh(story, sight, dates):
        data = ProofSeen(case=case.id, version=sight.version, facts=list(sight.facts), soak_until=instant(soak_end))
        return [Finding(data, _latest(case.gap_closed, sight, dates))]
    return _late(story, sight, within_end, asof, found)


def _fresh(story: Story, sight: Sight, dates: Mapping[str, Dates]) -> bool:
    """After an execution: something was observed anew, and everything that changed was (DESIGN, invariant 11)."""
    finished = story.finished
    if finished is None:
        return True
    newer = [
        event_id
        for event_id in sight.observations()
        if (known := dates.get(event_id)) is not None
        and proving.is_newer(known.position, known.source_time, finished.position, finished.event.asof)
    ]
    return bool(newer) and not proving.not_newer(sight.facts, story.known, newer)


def believed(story: Story, findings: list[Finding], keys: ServiceKeys) -> list[Finding]:
    """`findings`, if the executor signed all that is recorded as executed; else, once, that nothing can be told:
    what another wrote is neither done nor left undone by that. Asked only where something is to be recorded."""
    if not findings:
        return findings
    for said in story.executed:
        try:
            check_service_signature(said.event, keys)
        except Refused as refusal:
            return _unsigned(story, said, refusal)
    return findings


def _unsigned(story: Story, said: Said[EventData], refusal: Refused) -> list[Finding]:
    known = story.case.inconclusive
    if known is not None and known.position > said.position and known.data.reason_code == refusal.reason_code:
        return []
    reason = f"What is recorded as executed is not the executor's: {refusal.message}"
    data = VerificationInconclusive(case=story.case.id, reason_code=refusal.reason_code, reason=reason, facts=[])
    return [Finding(data, said.event)]


def _late(
    story: Story, sight: Sight, within_end: datetime | None, asof: datetime, found: Effects | None
) -> list[Finding]:
    finished = story.case.finished
    if finished is None or within_end is None or asof < within_end:
        return []
    if story.case.inconclusive is not None and story.case.inconclusive.position > finished.position:
        return []
    unknown = sight.standing == "unknown"
    told = f"the proof can't be decided: {sight.reason}" if unknown else "the proof was not seen"
    if found is not None and (worse := effects.breaches(found.watched)):
        told += f", and something else is worse than it may be: {' '.join(worse)}"
    data = VerificationInconclusive(
        case=story.case.id,
        reason_code="proof_unknown" if unknown else "no_proof_in_time",
        reason=f"By {instant(within_end)} {told}",
        facts=list(sight.facts),
    )
    return [Finding(data, finished.event)]


def _soaking(
    story: Story, sight: Sight, dates: Mapping[str, Dates], asof: datetime, found: Effects | None
) -> list[Finding]:
    case, proof = story.case, story.case.proof
    assert proof is not None
    failed = _failed(case, sight)
    if failed is not None:
        reason_code, reason, cause = failed
        data = VerificationFailed(case=case.id, reason_code=reason_code, reason=reason, facts=list(sight.facts))
        return [Finding(data, cause or _latest(proof, sight, dates))]
    if found is not None and (worse := effects.breaches(found.watched)):
        reason = f"Something else became worse than it may: {' '.join(worse)}"
        data = VerificationFailed(
            case=case.id, reason_code="secondary_effect", reason=reason, facts=list(sight.facts)
        )
        return [Finding(data, _latest(proof, sight, dates))]
    if found is not None and effects.untold(found.watched):
        return []
    over = asof >= parse_instant(proof.data.soak_until) and _measured_since(story, sight, dates)
    if not over or case.gap_closed is None or sight.standing not in ("holds", "gone"):
        return []
    passed = VerificationPassed(
        case=case.id,
        proof=proof.event.id,
        soak_from=proof.event.asof,
        soak_until=proof.data.soak_until,
        facts=list(sight.facts),
        effects=found,
    )
    return [Finding(passed, _latest(proof, sight, dates))]


def _measured_since(story: Story, sight: Sight, dates: Mapping[str, Dates]) -> bool:
    """Of a population: whether its objectives were measured again when the soak was over. The measure is another
    service's, which may be behind; of an entity the auditor decides everything itself."""
    case = story.case
    assert case.gap is not None
    assert case.proof is not None
    if case.gap.data.key != POPULATION:
        return True
    until = parse_instant(case.proof.data.soak_until)
    found = [dates.get(event_id) for event_id in sight.observations()]
    return all(known is not None and parse_instant(known.source_time) >= until for known in found)


def _failed(case: Case, sight: Sight) -> tuple[str, str, Event | None] | None:
    """(reason code, reason, cause) when a rule fails again or the proof is lost."""
    gap, proof = case.gap, case.proof
    assert gap is not None
    assert proof is not None
    if case.gap_closed is None and gap.position > proof.position:
        missed = [rule.says for rule in gap.data.rules if rule.status == "missed"]
        if missed:
            return "failed_again", f"A rule failed again before the case was closed: {' '.join(missed)}", gap.event
    if sight.standing == "fails" and sight.failing:
        return "failed_again", f"A rule failed again before the case was closed: {' '.join(sight.failing)}", None
    if sight.standing == "fails":
        return "proof_lost", f"The proof no longer holds: {sight.reason or 'it is missed'}", None
    return None


def _latest(said: Said[EventData], sight: Sight, dates: Mapping[str, Dates]) -> Event:
    """The event that brought it about: the newest of `said` and of the observations seen."""
    best = (said.position, said.event)
    for event_id in sight.observations():
        known = dates.get(event_id)
        if known is not None and known.position > best[0]:
            best = (known.position, known.event)
    return best[1]


def closing(story: Story, passed: Event) -> Finding:
    """The end of the case, once its verification has passed."""
    how = "remedied" if story.finished is not None else "resolved"
    return Finding(CaseClosed(case=story.case.id, how=how, verification=passed.id), passed)


def recorded(story: Story, findings: Sequence[Finding], time: datetime, asof: datetime) -> list[Event]:
    """The events that the findings make, with their stream versions; a passed verification also closes the case."""
    stream = f"attestation/{story.case.id}"
    version = story.case.version(stream)
    events: list[Event] = []
    queue = list(findings)
    while queue:
        finding = queue.pop(0)
        version += 1
        origin = Origin(source="auditor", actor=ACTOR, time=time, asof=asof, cause=finding.cause)
        # The version makes the id: one cause may lead to several events of a type in one case.
        event = new_event(finding.data, stream, origin, str(version), case=story.case.id)
        event = replace(event, streamversion=version)
        events.append(event)
        if isinstance(finding.data, VerificationPassed):
            queue.append(closing(story, event))
    return events


def timers(case: Case, within_end: datetime | None, asof: datetime) -> dict[str, datetime]:
    """What must be looked at again with no message arriving: name → instant after `asof`."""
    if case.closed is not None:
        return {}
    wanted: dict[str, datetime] = {}
    if case.proof is not None:
        wanted[SOAK] = parse_instant(case.proof.data.soak_until)
    elif case.finished is not None and within_end is not None:
        wanted[WITHIN] = within_end
    return {name: at for name, at in wanted.items() if at > asof}
