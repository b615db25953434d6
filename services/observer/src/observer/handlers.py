"""Straight lines: read a batch, settle it against the ledger, append. The same for every way in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from common.canonical import digest
from common.clock import RealmClock
from common.declarations.handling import Source
from common.errors import Refused, Transient
from common.events.envelope import Event
from common.events.observer import SourceCounted
from common.ids import entity_stream
from common.ledger import Answer as LedgerAnswer
from common.ledger import Appended, AppendRefused, Connection
from common.sealing import Subject
from common.subject_keys import SubjectKeyStore

from observer.core import moments, observations, personal, snapshots
from observer.core.counts import Count
from observer.core.limits import MAX_HISTORY
from observer.core.messages import Message
from observer.core.moments import Moment
from observer.core.observations import Answer, Incoming
from observer.core.rejections import Rejected, Rejection, rejection
from observer.core.settling import Settled, Stored, answer, event_of, settle
from observer.core.snapshots import Report, SnapshotRow
from observer.core.sources import EntityRule, EntityRules, fold_gapless, fold_rules, fold_sources
from observer.ports import Records

Read = list[Message | Count | Rejected]

WARY = 5
"""Batches for which it is looked what is stored already, at the start and since something was."""


@dataclass(slots=True)
class Known:
    """What is remembered between batches: the active entity types and sources up to a position, where each feed was
    declared gapless, the feeds that send control totals, and the realm's clock."""

    rules: dict[str, EntityRule] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    gapless: dict[str, int] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    position: int = -1
    clock: RealmClock | None = None


class Recorder:
    """Records batches of upstream messages. `wall` is the wall clock. Without `subject_keys` no row of an entity type
    with sensitive columns is recorded: its messages wait.

    `news` is called when there is something to judge a feed's completeness by, as soon as the transaction commits.
    All methods work inside the caller's transaction and have their effect when it commits. They may be called
    again with the same messages: what is stored is then a duplicate.
    """

    def __init__(
        self, records: Records, wall: Callable[[], datetime], subject_keys: SubjectKeyStore | None = None
    ) -> None:
        self._records = records
        self._subject_keys = subject_keys
        self._wall = wall
        self._wary = WARY
        self.known = Known()
        self.news: Callable[[], None] = lambda: None

    async def refresh(self, connection: Connection) -> None:
        """Learn the latest declarations and the latest clock from the ledger."""
        fresh = await self._records.declarations(connection, self.known.position)
        if fresh:
            rules = fold_rules(self.known.rules, (recorded.event for recorded in fresh))
            self.known.sources = fold_sources(self.known.sources, (recorded.event for recorded in fresh))
            self.known.gapless = fold_gapless(self.known.gapless, ((one.position, one.event) for one in fresh))
            self.known.rules, self.known.position = rules, fresh[-1].position
        self.known.counted |= await self._records.counted(connection)
        self.known.clock = await self._records.clock(connection)

    def rules(self) -> EntityRules:
        """The active entity types, as of the last `refresh`."""
        return self.known.rules

    def latest(self) -> datetime:
        """The last source time that is believed now, by the clock as of the last `refresh`."""
        return self._moment().latest

    async def record(
        self,
        connection: Connection,
        incoming: Sequence[Incoming],
        sender: str | None = None,
        snapshot: str | None = None,
    ) -> list[Answer]:
        """Record each message, or its rejection; the answers are in order.

        `sender` is the authenticated feed. With `snapshot` the messages are rows of that snapshot: what is stored
        already, word for word, is `unchanged`. Raises `Transient` when another writer was in the way.
        """
        read, moment = await self._read(connection, incoming, sender)
        if snapshot is not None:
            read = [snapshots.in_snapshot(item, snapshot, self.known.rules) for item in read]
        as_sent = read
        read = await self._sealed(read, sender)
        unchanged: dict[int, Answer] = {}
        if snapshot is not None:
            unchanged = await self._unchanged(connection, read)
        places = [place for place in range(len(incoming)) if place not in unchanged]
        rest = [incoming[place] for place in places]
        planned = observations.to_record(rest, [read[place] for place in places], moment)
        stored = await self._stored(connection, planned) if self._wary or snapshot is not None else {}
        settled = settle(rest, planned, stored, moment)
        if snapshot is not None:
            await self._keep(connection, snapshot, read, unchanged, _accepted(settled, places))
        if any(self._judged_by(event_of(item)) for item in settled.append.values()):
            await self._records.note_work(connection)
            self.news()
        answers = await self._append(connection, settled, len(rest))
        merged = _merged(len(incoming), unchanged, dict(zip(places, answers, strict=True)))
        return [_as_sent(answer, item) for answer, item in zip(merged, as_sent, strict=True)]

    def _judged_by(self, event: Event) -> bool:
        """Whether the feed's completeness may be another after `event`."""
        if event.type == SourceCounted.TYPE:
            self.known.counted.add(event.data["feed"])
            return True
        feed = str(event.data["feed"])
        source = self.known.sources.get(feed)
        return feed in self.known.counted or (source is not None and source.sequence is not None)

    async def reject(self, connection: Connection, item: Incoming, reason_code: str, reason: str) -> None:
        """Record that a message failed in a way that no check foresaw."""
        await self.refresh(connection)
        rejected = Rejected(reason_code, reason)
        if personal.any_pseudonym(self.known.rules):
            rejected = personal.withheld(rejected, rejected.identity)
        refused = rejection(item.raw, rejected, item.origin, self._moment(), item.headers)
        await self._append(connection, Settled({0: refused}, {}, {}), 1)

    async def report(self, connection: Connection, report: Report) -> list[int]:
        """Record the end of a snapshot; returns the positions of its SourceReported events.

        The same report again gets the same answer. Raises `Refused` when it doesn't fit what was received.
        """
        await self.refresh(connection)
        rule = self.known.rules.get(report.entity_type)
        if rule is None or rule.source != report.feed:
            raise Refused(
                "unknown_entity_type" if rule is None else "feed_mismatch",
                f"the feed {report.feed} does not report the entity type {report.entity_type!r}",
                "Activate an EntityType with this source first.",
            )
        if rule.events is not None:
            told = f"rows of {report.entity_type} are events, of which no snapshot is made"
            raise Refused("snapshot_of_log", told, "Report the events alone.")
        name = (report.feed, report.entity_type, report.snapshot)
        moment = self._moment()
        rows = await self._records.snapshot_rows(connection, name)
        if not rows:
            done = await self._records.stored(connection, [snapshots.report_id(report, 1)])
            if done:
                return [recorded.position for recorded in done.values()]
        snapshots.check_report(report, len(rows), moment)
        await self._records.forget_snapshot(connection, name)
        if report.feed in self.known.counted:
            await self._records.note_work(connection)
            self.news()
        result = await self._records.append(connection, [snapshots.report_events(report, rows, moment)])
        return list(_stored(result[0]).positions)

    async def _stored(self, connection: Connection, planned: Sequence[Event | Rejection]) -> Mapping[str, Stored]:
        """What is stored of `planned`. The ledger notices repeats by itself; only, it must then take the whole batch
        one by one. So it is asked before while there are some; new messages, most of all that come, are spared it."""
        stored = await self._records.stored(connection, [event_of(item).id for item in planned])
        self._wary = WARY if stored else max(0, self._wary - 1)
        return stored

    async def _sealed(self, read: Read, sender: str | None) -> Read:
        """What was read, without anything sensitive in the clear. Keys are durable before anything is appended."""
        if personal.any_pseudonym(self.known.rules):
            read = await self._pseudonymised(read, sender)
        needed = personal.subjects(read, self.known.rules)
        return personal.sealed(read, self.known.rules, await self._store().ensure(needed)) if needed else read

    async def _pseudonymised(self, read: Read, sender: str | None) -> Read:
        rules = self.known.rules
        hidden = {place for place, item in enumerate(read) if personal.pseudonymous(item, rules)}
        if not hidden:
            return read
        secret = await self._store().ensure_pseudonym_secret()
        return [
            personal.pseudonymised(item, secret, rules, sender) if at in hidden else item
            for at, item in enumerate(read)
        ]

    async def _kept(self, planned: dict[int, Event | Rejection]) -> dict[int, Event | Rejection]:
        """The same, and of a rejection about a subject that was erased without the payload; so, too, where nobody
        could find it to erase it: a payload has the key, the erasure only its pseudonym."""
        about = {place: personal.subject_of(item) for place, item in planned.items() if isinstance(item, Rejection)}
        if not about or self._subject_keys is None:
            return planned
        named = [subject for subject in about.values() if subject is not None]
        keys = await self._subject_keys.read(named)
        unfit: set[Subject | None] = {subject for subject in keys if keys[subject].secret is None}
        if personal.any_pseudonym(self.known.rules):
            unfit.add(None)
        return {
            place: personal.without_payload(item) if isinstance(item, Rejection) and about[place] in unfit else item
            for place, item in planned.items()
        }

    def _store(self) -> SubjectKeyStore:
        if self._subject_keys is None:
            raise Transient(
                "subject_keys_missing",
                "an entity type has sensitive columns, and TRUEUP_SUBJECT_KEYS does not say where the keys are",
            )
        return self._subject_keys

    async def _read(
        self, connection: Connection, incoming: Sequence[Incoming], sender: str | None
    ) -> tuple[Read, Moment]:
        if self.known.clock is None:
            await self.refresh(connection)
        read, moment = await self._read_now(incoming, sender)
        if observations.may_be_stale(read):
            await self.refresh(connection)
            read, moment = await self._read_now(incoming, sender)
        return read, moment

    async def _read_now(self, incoming: Sequence[Incoming], sender: str | None) -> tuple[Read, Moment]:
        moment, rules = self._moment(), self.known.rules
        read: Read = []
        for part in observations.parts(incoming):
            read += observations.read_all(part, rules, moment, sender)
            await asyncio.sleep(0)  # who makes many seconds' work must not keep this consumer from its heartbeats
        return read, moment

    def _moment(self) -> Moment:
        assert self.known.clock is not None
        return moments.moment(self.known.clock, self._wall())

    async def _unchanged(self, connection: Connection, read: Read) -> dict[int, Answer]:
        streams = [entity_stream(item.entity_type, item.key) for item in read if isinstance(item, Message)]
        histories = await self._records.histories(connection, streams, MAX_HISTORY + 1)
        found: dict[int, Answer] = {}
        for place, item in enumerate(read):
            if isinstance(item, Message):
                history = histories.get(entity_stream(item.entity_type, item.key), ())
                if snapshots.is_unchanged(item, history):
                    found[place] = Answer("unchanged", item.upstream_id)
        return found

    async def _keep(
        self, connection: Connection, snapshot: str, read: Read, unchanged: dict[int, Answer], accepted: set[int]
    ) -> None:
        rows: dict[str, SnapshotRow] = {}
        name = None
        for place, item in enumerate(read):
            if isinstance(item, Message) and (place in unchanged or place in accepted):
                name = (item.feed, item.entity_type, snapshot)
                if item.key not in rows or place in accepted:
                    rows[item.key] = SnapshotRow(item.key, digest(item.row), place in accepted)
        if name is not None:
            await self._records.keep_snapshot_rows(connection, name, list(rows.values()))

    async def _append(self, connection: Connection, settled: Settled, count: int) -> list[Answer]:
        planned = await self._kept(settled.append)
        await self._records.quarantine(connection, [item for item in planned.values() if isinstance(item, Rejection)])
        results = await self._records.append(connection, [[event_of(item)] for item in planned.values()])
        if any(isinstance(result, Appended) and result.duplicate for result in results):
            self._wary = WARY
        answers = dict(settled.known)
        for (place, item), result in zip(planned.items(), results, strict=True):
            answers[place] = _answered(item, result)
        for place, first in settled.repeats.items():
            earlier = answers[first]
            answers[place] = earlier if earlier.status == "rejected" else _duplicate(earlier)
        return [answers[place] for place in range(count)]


def _as_sent(answer: Answer, item: Message | Count | Rejected) -> Answer:
    """The answer in the sender's own words, which may be kept nowhere."""
    if not isinstance(item, Rejected):
        same = answer.upstream_id == item.upstream_id
        return answer if same else replace(answer, upstream_id=item.upstream_id)
    return replace(answer, upstream_id=item.identity.upstream_id, reason=item.message)


def _duplicate(earlier: Answer) -> Answer:
    return Answer("duplicate", earlier.upstream_id, earlier.position)


def _answered(item: Event | Rejection, result: LedgerAnswer) -> Answer:
    stored = _stored(result)
    if stored.duplicate and not observations.same_content(event_of(item), Event.decode(stored.stored[0])):
        raise Transient("stored_meanwhile", f"another message took the id of {event_of(item).id} just now")
    return answer(item, stored.positions[0], stored.duplicate)


def _stored(result: LedgerAnswer) -> Appended:
    """The request's place in the ledger.

    What can be wrong with a message was looked at before, so a refusal means that another writer was faster, that
    this machine's clock is off or that the database's rights are: none of it is the message's fault.
    """
    if isinstance(result, AppendRefused):
        raise Transient(result.reason_code, f"the ledger refused an observation: {result.message}")
    return result


def _accepted(settled: Settled, places: list[int]) -> set[int]:
    """The places in the whole batch whose message is, or will be, stored as an observation."""
    inside = {place for place, item in settled.append.items() if isinstance(item, Event)}
    inside |= {place for place, known in settled.known.items() if known.status == "duplicate"}
    inside |= {place for place, first in settled.repeats.items() if first in inside}
    return {places[place] for place in inside}


def _merged(count: int, *parts: dict[int, Answer]) -> list[Answer]:
    merged = {place: item for part in parts for place, item in part.items()}
    return [merged[place] for place in range(count)]
