"""What cited facts were read from, read again: a row, or the events of a case up to the one that is cited.

A fact of a case names the newest of its events, by the source's time, that was known. What was known then is a
beginning of the case's stream. Events may come late: then several beginnings have the same newest event, and the
facts must be those of one of them that holds all that was certainly known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from common.cases import Said
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.computing import Happened
from common.entities.rows import order_of
from common.events.model import EventData
from common.events.observer import EntityObserved

from auditor.core.evidence import Record
from auditor.core.proving import Again, read_again, read_case_again

MOST_LATE = 100
"""Beginnings of one case that are tried for one record."""
MOST_READ = 20_000_000
"""Events that are looked at for one attestation, repetitions counted: about a minute."""
_READ_ALL = ("planner", "auditor")


class Rereading:
    """Reads again what facts rest on; each beginning of a case once for each set of declarations."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._known: dict[tuple[str, str, int], Again] = {}
        self._read = 0

    def readings(self, citing: Said[EventData], cited: Said[EntityObserved]) -> Iterable[Again]:
        """All that the entity can have been when `citing` was written and `cited` was its newest observation, the
        likeliest first. Raises KeyError when no EntityType for it is in force, ValueError for too much to read."""
        catalogue = self._record.catalogue_at(citing.position)
        entity_type = cited.data.entity_type
        if catalogue.entity_types[entity_type].events is None:
            return [read_again(catalogue, entity_type, cited.data.row)]
        return self._cases(catalogue, citing, cited)

    def _cases(self, catalogue: Catalogue, citing: Said[EventData], cited: Said[EntityObserved]) -> Iterator[Again]:
        stream = [said for said in self._record.streams[cited.event.subject] if said.position < citing.position]
        self._count(len(stream))
        for count in beginnings(stream, cited, certain(self._record.by_id, citing, cited.event.subject)):
            key = (catalogue.digest, cited.event.subject, count)
            if key not in self._known:
                self._count(count)
                events = [happened(said) for said in stream[:count]]
                self._known[key] = read_case_again(catalogue, cited.data.entity_type, events)
            yield self._known[key]

    def _count(self, events: int) -> None:
        self._read += events
        if self._read > MOST_READ:
            raise ValueError(f"more than {MOST_READ:,} events would have to be read again")


def happened(said: Said[EntityObserved]) -> Happened:
    """An observation as an event of its case."""
    data = said.data
    at, sequence, event_id = order_of(parse_instant(data.source_time), data.sequence, said.event.id)
    return Happened(at, sequence, event_id, data.row)


def beginnings(stream: Sequence[Said[EntityObserved]], cited: Said[EntityObserved], least: int) -> list[int]:
    """How many of the first events of `stream` (in ledger order) can have been known when `cited` was the newest of
    them, and everything up to ledger position `least` was known: the most first, at most `MOST_LATE`."""
    newest = happened(cited)[:3]
    found = []
    for count, said in enumerate(stream, start=1):
        if happened(said)[:3] > newest:
            break
        if said.position >= cited.position:
            ahead = stream[count].position if count < len(stream) else None
            if ahead is None or ahead > least:
                found.append(count)
    return found[: -MOST_LATE - 1 : -1]


def certain(by_id: Mapping[str, Said[EventData]], citing: Said[EventData], stream: str) -> int:
    """The ledger position up to which whoever wrote `citing` had certainly read `stream`; -1 where nothing tells.

    It had read what caused it, and its streams come in order. Planner and auditor read the whole ledger before they
    decide, but what they wrote themselves may be of the same transaction: then what led to that counts.
    """
    writer, event, before = citing.event.source, citing.event, citing.position
    while (cause := by_id.get(event.causationid or "")) is not None and cause.position < before:
        if cause.event.subject == stream:
            return cause.position
        if cause.event.source != writer:
            return cause.position if writer in _READ_ALL else -1
        event, before = cause.event, cause.position
    return -1
