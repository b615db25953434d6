"""Phrases that several chapters share: an observation, a decision, a plan's steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from common.cases import Said
from common.events.approver import Decision
from common.events.differ import ObjectiveSnapshot
from common.events.model import Fact
from common.events.observer import EntityWithdrawn
from common.events.planner import PlanDrafted

from auditor.core.evidence import Record
from auditor.core.sentences import Sentence, says
from auditor.core.wording import bounded, day, fact, listed, moment, plain, quoted, unended

MOST_FACTS = 6


def described(record: Record, facts: Iterable[Fact]) -> Iterable[Sentence]:
    """One sentence for each observation that the facts were read from: who reported what, as of when."""
    by_event: dict[str, list[Fact]] = {}
    for item in facts:
        known = by_event.setdefault(item.event_id, []) if item.event_id else []
        if item.name not in {other.name for other in known}:
            known.append(item)
    for event_id, read in by_event.items():
        if (measure := record.measure(event_id)) is not None:
            yield says(_measured(measure), event_id)
            continue
        said = record.observation(event_id)
        if said is None:
            continue
        data = said.data
        label = " (simulated)" if data.simulated else ""
        if isinstance(data, EntityWithdrawn):
            told = f"withdrew {data.entity_type} {plain(data.key, 80)}"
        else:
            told = f"reported {data.entity_type} {plain(data.key, 80)}: {_facts(read)}"
        yield says(f"As of {day(data.source_time)}, the source {plain(data.feed, 60)}{label} {told}", event_id)


def _measured(said: Said[ObjectiveSnapshot]) -> str:
    data = said.data
    return (
        f"As of {day(said.event.asof)}, the objective {plain(data.objective, 60)} was measured over a population of "
        f"{data.population:,}: {plain(data.says, 160)}; {plain(data.wanted, 80)}; {data.standing}"
    )


def _facts(read: Sequence[Fact]) -> str:
    return listed(bounded([fact(item) for item in read], MOST_FACTS))


def decided(record: Record, decision: Decision, asof: str, what: str) -> str:
    """`J. Moreau (control-owner) confirmed … on 3 July 2023 at 15:20: "Confirmed."`"""
    name = plain(record.name_of(decision.person), 80)
    comment = f", and noted: {quoted(decision.comment, 160)}" if decision.comment.strip() else ""
    return f"{name} ({plain(decision.role, 60)}) {what} on {moment(asof)}{comment}"


def instants(asofs: Iterable[str]) -> str:
    """The days on which something happened, each once."""
    return listed(dict.fromkeys(day(asof) for asof in asofs))


def proposed_steps(plan: PlanDrafted) -> list[str]:
    """`(1) Asks the control owner for evidence, low risk, run inside the grant`, for each step."""
    return [
        f"({step.number}) {unended(plain(step.does, 140))}, {step.risk} risk, {_level(step.level)}"
        for step in plan.steps
    ]


def _level(level: str) -> str:
    return {"L2": "released by a person", "L3": "run inside the grant"}.get(level, level)
