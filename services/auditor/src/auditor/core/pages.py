"""What an examiner reads of one attestation, however it is printed: text, timeline, people, facts, index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from common.events.approver import Decision
from common.events.model import Fact

from auditor.core import chapters, narrative, timeline, wording
from auditor.core.attestation import Attestation
from auditor.core.evidence import Record

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is a file name's stem, `wide` the column that takes what room is left."""

    name: str
    title: str
    columns: Row
    rows: tuple[Row, ...]
    wide: int


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence, with its citations as `cited` writes them; `numbers` are the records that it cites."""

    text: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    sentences: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`labels` say what was made up, and stand first. `facts` are name and value."""

    title: str
    headline: str
    labels: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    tables: tuple[Table, ...]


def page(document: Attestation) -> Page:
    """A pure function of the attestation. Raises what `Attestation.record` raises."""
    record = document.record()
    gap = record.wrong.data
    issued = str(document.head["issued"])
    facts = (
        ("Realm", str(document.head["realm"])),
        ("Case", document.case),
        ("Issued", f"{wording.moment(issued)} UTC"),
        ("Digest", f"{document.digest} (SHA-256 of the attestation)"),
    )
    return Page(
        title=f"Attestation: {gap.entity_type} {wording.plain(gap.key, 80)}, {gap.desired_state}",
        headline=chapters.headline(record) or "",
        labels=tuple(narrative.labels(record)),
        facts=facts,
        sections=tuple(_sections(record)),
        tables=(_timeline(record), _people(record), _facts(record), _index(document)),
    )


def _sections(record: Record) -> Iterable[Section]:
    for chapter in narrative.chapters_of(record):
        told = (
            Told(narrative.cited(sentence, record), tuple(record.numbers(sentence.cites)))
            for sentence in chapter.sentences
        )
        yield Section(chapter.title, tuple(told))


def _timeline(record: Record) -> Table:
    rows = tuple(
        (
            str(item.n),
            item.event.asof,
            wording.plain(timeline.words(item.event), 400),
            wording.plain(item.event.actor),
        )
        for item in record.exhibits
    )
    return Table(
        "timeline", "What happened, in the order of the ledger", ("Record", "When (UTC)", "What", "Who"), rows, 2
    )


def _people(record: Record) -> Table:
    decided: dict[str, list[str]] = {}
    for item in record.exhibits:
        body = item.event.data.get("decision")
        if isinstance(body, dict):
            decision = Decision.model_validate(body)
            decided.setdefault(decision.person, []).append(f"{decision.kind} [{item.n}]")
    rows = tuple(
        (
            wording.plain(person.name, 120),
            person.id,
            ", ".join(person.roles),
            ", ".join(wording.bounded(decided.get(person.id, ["author"]), 12)),
            "simulated" if person.simulated else "",
            person.key,
        )
        for _, person in sorted(record.people.items())
    )
    columns = ("Name", "Id", "Roles", "Decided [record]", "Simulated", "Public key (Ed25519)")
    return Table("people", "Who decided", columns, rows, 3)


def _facts(record: Record) -> Table:
    """What the rules saw when the gap was decided upon, and what the proof saw."""
    before = {fact.name: fact for rule in record.wrong.data.rules for fact in rule.facts}
    ended = record.case.verification or record.case.proof
    after = {fact.name: fact for fact in ended.data.facts} if ended else {}
    rows = []
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        rows.append((wording.plain(name, 80), *_value(record, was), *_value(record, now)))
    columns = ("Fact", "Before", "Record", "After", "Record")
    return Table("facts", "Before and after", columns, tuple(rows), 1)


def _value(record: Record, known: Fact | None) -> tuple[str, str]:
    if known is None:
        return "not asked", ""
    numbers = record.numbers([known.event_id] if known.event_id else [])
    cited = ", ".join(map(str, numbers))
    if known.unknown is not None:
        return f"unknown: {wording.plain(known.unknown)}", cited
    text = known.value if isinstance(known.value, str) else json.dumps(known.value, ensure_ascii=False)
    return wording.plain(text), cited


def _index(document: Attestation) -> Table:
    rows = tuple(
        (str(item.n), str(item.position), item.event.type, item.event.source, item.event.id, known)
        for item, known in zip(document.exhibits, document.hashes, strict=True)
    )
    columns = ("Record", "Position", "Type", "Written by", "Event", "SHA-256")
    return Table("index", "The records (events.ndjson, byte for byte)", columns, rows, 2)
