"""One case as a page: its events as they are, who is needed, and what the person who asks may decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from common.cases import Case, Said
from common.clock import RealmClock, instant
from common.events import Event
from common.events.approver import ApprovalVoided, Decision
from common.facts import title_of
from common.objectives.population import whole

from approver.api.models import Action, CasePage, DecisionRecorded, Need, Recorded
from approver.core.asking import Asked, asked, blank, options
from approver.core.holding import holding
from approver.desk import Opened

_DO = {
    "confirm": "Confirm: {says}.",
    "dispute": "Dispute: {says}.",
    "approve": "Approve: {says}.",
    "refuse": "Refuse: {says}.",
    "return": "Send the plan back: {says}.",
    "release": "Release: {says}.",
    "outcome": "Report: {says}.",
    "resume": "Resume: {says}.",
}


def action(case: str, realm: str, person: str, ask: Asked) -> Action:
    """What `person` may decide, with the decision ready to be filled in."""
    decision = template(blank(case, realm, person, ask))
    return Action(kind=ask.kind, says=_DO[ask.kind].format(says=ask.says), decision=decision)


def template(decision: Decision) -> dict[str, object]:
    """The decision without what only the person can say: when, nonce, comment, result."""
    return decision.model_dump(mode="json", exclude={"made_at", "nonce", "comment", "result"}, exclude_none=True)


def page(opened: Opened, person: str, clock: RealmClock) -> CasePage:
    case, around = opened.case, opened.around
    realm = around.directory.realm
    names = _names(opened)
    return CasePage(
        case=case.id,
        stage=case.stage,
        title=title_of(around.told) or (whole(case.gap.data.entity_type, case.gap.data.key) if case.gap else ""),
        facts=[fact.model_dump(mode="json") for fact in around.told.values()],
        timezone=around.timezone_of(case.gap.data.desired_state if case.gap else ""),
        now=instant(opened.draft.when.asof),
        realm=realm,
        replay=clock.mode == "replay",
        gap=_one(case.gap),
        gap_digest=case.gap.data.digest if case.gap else None,
        met=_one(case.met),
        gap_closed=_one(case.gap_closed),
        confirmation=_decided(case.confirmation, opened),
        dispute=_decided(case.dispute, opened),
        suspension=_one(case.suspension),
        flips=case.flips,
        flips_since=case.flips_since or None,
        plan=_one(case.plan),
        withheld=_one(case.withheld),
        ticket=_one(case.ticket),
        approvals=_all_decided(case.approvals, opened),
        refusal=_decided(case.refusal, opened),
        returned=_decided(case.returned, opened),
        authorisation=_one(case.authorisation),
        expiry=_one(case.expiry),
        voided=[
            _recorded(item.event, item.position) for item in opened.recorded if item.event.type == ApprovalVoided.TYPE
        ],
        releases=_all_decided(case.releases.values(), opened),
        outcomes=_all_decided(case.outcomes.values(), opened),
        execution=_all(_execution(case)),
        verification=_all(_verification(case)),
        needs=[_need(ask, opened) for ask in asked(case, around) if ask.waits],
        actions=[action(case.id, realm, person, ask) for ask in options(case, person, around)],
        names=names,
        simulated=[person.id for person in around.directory.everybody() if person.id in names and person.simulated],
    )


def _recorded(event: Event, position: int) -> Recorded:
    return Recorded(
        id=event.id,
        position=position,
        type=event.type,
        time=event.time,
        asof=event.asof,
        actor=event.actor,
        data=event.data,
        signature=event.signature,
    )


def _one(said: Said[Any] | None) -> Recorded | None:
    return _recorded(said.event, said.position) if said is not None else None


def _all(said: Iterable[Said[Any] | None]) -> list[Recorded]:
    present = sorted((item for item in said if item is not None), key=lambda item: item.position)
    return [_recorded(item.event, item.position) for item in present]


def _decided(said: Said[Any] | None, opened: Opened) -> DecisionRecorded | None:
    if said is None:
        return None
    holds, doubt = holding(said, opened.case, opened.around.directory)
    return DecisionRecorded(**_recorded(said.event, said.position).model_dump(), holds=holds, doubt=doubt)


def _all_decided(said: Iterable[Said[Any]], opened: Opened) -> list[DecisionRecorded]:
    found = (_decided(item, opened) for item in sorted(said, key=lambda item: item.position))
    return [item for item in found if item is not None]


def _execution(case: Case) -> Sequence[Said[Any] | None]:
    attempts = [
        said
        for attempt in case.attempts.values()
        for said in (attempt.intended, attempt.succeeded, attempt.failed, attempt.unknown)
    ]
    return [case.started, *attempts, case.finished, case.halted]


def _verification(case: Case) -> Sequence[Said[Any] | None]:
    checks = [case.proof, case.verification, case.failed_verification, case.inconclusive]
    return [*checks, case.closed, case.attestation]


def _need(ask: Asked, opened: Opened) -> Need:
    return Need(
        kind=ask.kind,
        role=ask.role,
        step=ask.step,
        missing=ask.missing,
        given=list(ask.given),
        eligible=opened.around.directory.holders(ask.role),
    )


def _names(opened: Opened) -> dict[str, str]:
    directory = opened.around.directory
    acting = {event.actor.removeprefix("person:") for event in opened.events if event.actor.startswith("person:")}
    eligible = {person for ask in asked(opened.case, opened.around) for person in directory.holders(ask.role)}
    return {person: name for person, name in sorted(directory.names().items()) if person in acting | eligible}
