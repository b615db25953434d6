"""How it was checked: the later observations, the proof, the soak, the closing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from common.clock import parse_instant
from common.declarations.handling import AcceptedGap
from common.declarations.models import DesiredState
from common.events.auditor import WatchBegun
from common.events.differ import GapClosed, GapMet
from common.objectives.population import POPULATION
from common.objectives.wording import amount

from auditor.core import proving
from auditor.core.evidence import Record
from auditor.core.sentences import Sentence, says
from auditor.core.telling import described
from auditor.core.wording import counted, day, listed, moment, plain, quoted, sentence_case, unended


def checked(record: Record) -> Iterable[Sentence]:
    """Which later observations met the proof, and that it held for the soak."""
    case = record.case
    proof, passed, closed = case.proof, case.verification, case.closed
    if proof is None or passed is None or closed is None:
        raise ValueError(f"case {case.id} was not verified and closed")
    yield from described(record, proof.data.facts)
    if case.gap_closed is not None:
        yield says(_gap_closed(case.gap_closed.data.reason, case.gap_closed.event.asof), case.gap_closed.event.id)
    yield from _steady(record)
    yield from _accepted(record)
    yield from _proof(record)
    yield from _newer(record)
    yield says(
        f"It then had to hold until {moment(proof.data.soak_until)}, and did: it was decided anew on "
        f"{moment(passed.event.asof)}",
        proof.event.id,
        passed.event.id,
    )
    yield from _effects(record)
    how = "a plan was carried out" if closed.data.how == "remedied" else "it ended without a plan of Trueup's"
    yield says(
        f"The case was closed on {day(closed.event.asof)} as {closed.data.how}: {how}",
        closed.event.id,
        record.finished.event.id if record.finished else None,
    )


def _steady(record: Record) -> Iterable[Sentence]:
    """For how long nothing had failed when the gap was closed, and how often that had not lasted."""
    case = record.case
    if case.gap_closed is None or (steady := case.gap_closed.data.steady) is None:
        return
    lasted = parse_instant(steady.until) - parse_instant(steady.since)
    told = f"It had been met since {moment(steady.since)}, and without a break for "
    told += amount("mean", Fraction(int(lasted.total_seconds())))
    before = [said for said in record.all(GapMet) if said.data.since != steady.since]
    if before:
        often = len({said.data.since for said in before})
        times = "once" if often == 1 else counted(often, "time")
        told += f"; before that it had been met {times}, and had failed again"
    ids = [said.event.id for said in record.all(GapMet)]
    yield says(told, case.gap_closed.event.id, *ids)


def _accepted(record: Record) -> Iterable[Sentence]:
    """Each time that people had accepted what failed: by which exception, of which version, and until when."""
    for said in record.all(GapClosed):
        for one in said.data.accepted.by if said.data.accepted is not None else ():
            spec = record.spec("AcceptedGap", one.name, said.position)
            activation = record.activation("AcceptedGap", one.name, said.position)
            why = f", because: {quoted(spec.reason)}" if isinstance(spec, AcceptedGap) else ""
            rules = listed(f'"{plain(name, 60)}"' for name in one.rules)
            by = f"{plain(one.name, 60)}, version {plain(one.version[:12], 12)}"
            yield says(
                f"From {moment(said.event.asof)} {rules} {'was' if len(one.rules) == 1 else 'were'} accepted "
                f"until {moment(one.until)} by {by}{why}",
                said.event.id,
                activation.event.id if activation is not None else None,
            )


def _gap_closed(reason: str, asof: str) -> str:
    words = {
        "met": "no rule of the case failed any more",
        "withdrawn": "the source withdrew the entity, so that its rules no longer apply",
        "not_selected": "the declaration no longer selects the entity, so that its rules no longer apply",
        "accepted": "people accepted the gap, until a day",
        "ignored": "the declaration says that what failed is not to be acted on",
        "declaration_changed": "the declaration changed, and under it no rule fails",
    }
    return f"On {day(asof)} {words[reason]}"


def _proof(record: Record) -> Iterable[Sentence]:
    proof, gap = record.case.proof, record.wrong.data
    assert proof is not None
    state = record.spec("DesiredState", gap.desired_state, proof.position)
    activation = record.activation("DesiredState", gap.desired_state, proof.position)
    if gap.key == POPULATION and activation is not None:
        met = listed(f'"{plain(fact.name, 60)}"' for fact in proof.data.facts)
        told = f"That is the proof of an objective: measured again, {met} was met"
        if not proof.data.facts:
            told = "The declaration no longer has the objectives of this case: no proof had to be given"
        yield says(told, activation.event.id, proof.event.id)
    elif isinstance(state, DesiredState) and activation is not None:
        expression = state.verification.proof
        wanted = state.done if expression == "done" else expression
        catalogue = record.catalogue_at(proof.position)
        asof = parse_instant(proof.event.asof)
        applies = proving.applies_again(catalogue, gap.desired_state, proof.data.facts, asof)
        told = (
            "That is the proof which the declaration asks for" if applies else "The proof no longer had to be given"
        )
        yield says(f"{told}: {quoted(wanted)}", activation.event.id, proof.event.id)
    yield says(
        f"The auditor, a service that decides from the {_what(record)} and had no part in the execution, saw it on "
        f"{day(proof.event.asof)}{_predicted(record)}",
        proof.event.id,
        record.carried.plan.event.id if record.carried and record.carried.plan else None,
    )


def _effects(record: Record) -> Iterable[Sentence]:
    """What the change did elsewhere, and the same measure on both sides of it."""
    passed, begun = record.case.verification, record.all(WatchBegun)
    if passed is None or passed.data.effects is None:
        return
    for one in passed.data.effects.watched:
        became = one.after if one.before is None else f"was {one.before} when the execution began and is {one.after}"
        told = f"Watched for, and within what is allowed: {plain(one.what, 100)} {plain(became or '', 160)}"
        yield says(told, begun[-1].event.id if begun else None, passed.event.id)
    for cohort in passed.data.effects.cohorts:
        sides = [
            f"{what} {day(side.until)} {unended(plain(side.says, 120))}"
            for what, side in (("in the days up to", cohort.before), ("in those up to", cohort.after))
        ]
        yield says(
            f'The objective "{plain(cohort.objective, 60)}" on both sides of the change, of those that began or '
            f"counted {'; '.join(sides)}; {plain(cohort.wanted, 80)}",
            passed.event.id,
            record.finished.event.id if record.finished else None,
        )


def _what(record: Record) -> str:
    return "measures" if record.wrong.data.key == POPULATION else "observations"


def _clock(record: Record) -> str:
    return "the realm's clock" if record.wrong.data.key == POPULATION else "the source's clock"


def _predicted(record: Record) -> str:
    plan = record.carried.plan if record.carried else None
    for kept in plan.data.predictions if plan else ():
        if kept.expect == "proof" and kept.by is not None:
            return f"; the plan had named {day(kept.by)} as the latest day"
    return ""


def _newer(record: Record) -> Iterable[Sentence]:
    finished = record.finished
    if finished is None:
        return
    newer = proving.newer(record)
    if newer:
        number = sentence_case(counted(len(newer), _what(record).removesuffix("s")))
        was = "was" if len(newer) == 1 else "were"
        told = f"{number} behind it {was} made after the execution, by the ledger's order and by {_clock(record)}"
        yield says(told, finished.event.id, *newer)
