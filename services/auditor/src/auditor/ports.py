"""What the auditor needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.declarations.objectives import CompiledObjective
from common.entities import Ref, StoredEntity
from common.events.envelope import Event
from common.ledger import Connection, Recorded
from common.objectives.contributing import Contribution
from pydantic import BaseModel
from transparency.checkpoints import Checkpoint
from transparency.notes import Signature
from transparency.policies import Policy
from transparency.tiles import Bundle, Tile, Tiles

from auditor.core.attestation import Attestation
from auditor.core.deciding import Story
from auditor.core.sealing import Row, Sealed


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of one entity: its view (None when withdrawn or never observed) and its stored row."""

    view: EntityView | None
    stored: StoredEntity | None


class Entities(Protocol):
    """The auditor's own reading of the observations."""

    async def lock(self, conn: Connection) -> None:
        """Take the auditor's turn until the transaction ends: one at a time reads, and decides by, what is new."""
        ...

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> set[Ref]:
        """Read up to the ledger's head, taking this store's turn until the transaction ends; what has changed."""
        ...

    async def known(self, conn: Connection, catalogue: Catalogue, ref: Ref) -> Known:
        """What is known of an entity now."""
        ...

    async def contributions(
        self,
        conn: Connection,
        catalogue: Catalogue,
        desired_state: str,
        objectives: Mapping[str, CompiledObjective],
        asof: datetime,
    ) -> dict[str, list[Contribution]]:
        """By name: what every entity of a desired state contributes to each of `objectives`, a page at a time."""
        ...


class Records(Protocol):
    """The ledger."""

    async def cases(self, conn: Connection, case_ids: Iterable[str]) -> dict[str, list[Recorded]]:
        """All events of each case, in ledger order; a case without events is left out."""
        ...

    async def events(self, conn: Connection, ids: Iterable[str]) -> list[Recorded]:
        """The events with these ids, whoever wrote them, in ledger order; those that don't exist are left out."""
        ...

    async def happened(self, conn: Connection, streams: Iterable[str], before: int, most: int) -> list[Recorded]:
        """The first `most` observations of each of these entities' streams before position `before`."""
        ...

    async def declarations(self, conn: Connection) -> list[Recorded]:
        """Everything that was proposed and activated, in ledger order."""
        ...

    async def realm(self, conn: Connection) -> list[Recorded]:
        """The event that created the realm."""
        ...

    async def append(self, conn: Connection, requests: Sequence[Sequence[Event]]) -> None:
        """Append, each event with its `streamversion` as the expected one; the transaction's last statement.

        Raises `Transient` (`version_conflict`) when somebody else wrote to a case first, `Permanent` otherwise.
        """
        ...


class Cases(Protocol):
    """The projection of cases."""

    async def save(self, conn: Connection, cases: Sequence[tuple[Story, Event]]) -> None:
        """Write each case's line as it stands, beside its newest event."""
        ...

    async def watched(self, conn: Connection, refs: Iterable[Ref]) -> list[str]:
        """The cases of these entities that an observation may decide, in a stable order."""
        ...

    async def all_watched(self, conn: Connection, after: str, limit: int) -> list[str]:
        """At most `limit` watched cases with an id after `after`, ascending."""
        ...


class Attestations(Protocol):
    """The documents."""

    async def keep(self, conn: Connection, document: Attestation, how: str, raw: bytes) -> None:
        """Store the document unless it is there."""
        ...


class CaseLine(BaseModel):
    """One case of the list. `rules` are those that fail, or failed when it was last seen to."""

    case: str
    desired_state: str
    entity_type: str
    key: str
    occurrence: int
    severity: str
    stage: str
    rules: list[str]
    opened: str
    changed: str
    how: str | None


class AttestationLine(BaseModel):
    """One attestation of the list."""

    case: str
    digest: str
    issued: str
    how: str
    simulated: bool
    bytes: int


class Reading(Protocol):
    """What the API reads. Nothing here writes."""

    async def cases(
        self, stage: str | None, desired_state: str | None, keys: Sequence[str] | None, after: str, limit: int
    ) -> tuple[list[CaseLine], int]:
        """At most `limit` cases after `after`, by id; and how many match in all."""
        ...

    async def counts(self) -> tuple[dict[str, int], dict[str, str]]:
        """Cases by stage, and why closed ones have no attestation yet."""
        ...

    async def case(self, case_id: str) -> list[Recorded]:
        """All events of a case, in ledger order."""
        ...

    async def at(self, positions: list[int]) -> list[Recorded]:
        """The events at these positions; those that don't exist are left out."""
        ...

    async def by_id(self, event_id: str) -> Recorded | None:
        """The event with this id, whoever wrote it."""
        ...

    async def causes(self, recorded: Recorded) -> tuple[list[Recorded], bool]:
        """From the event's cause to the root, and whether the root was reached."""
        ...

    async def cited(self, recorded: Recorded) -> list[Recorded]:
        """The other events that this one's facts and reasons rest on."""
        ...

    async def objectives(self, at: datetime | None) -> list[Recorded]:
        """What was said last of each objective by `at` on the realm clock (None: ever), by stream."""
        ...

    async def attestations(self, after: str, limit: int) -> tuple[list[AttestationLine], int]:
        """At most `limit` attestations after the case `after`; and how many there are."""
        ...

    async def document(self, case_id: str) -> tuple[str, bytes] | None:
        """(digest, the file byte for byte) of a case's attestation."""
        ...


class Alarms(Protocol):
    """Timers of cases, on the realm clock."""

    async def set(self, conn: Connection, wanted: Mapping[str, Mapping[str, datetime]]) -> None:
        """Make the timers of each of these cases exactly those given, by name."""
        ...


# The transparency log


class LedgerRows(Protocol):
    """The ledger's table, as it is to be sealed."""

    async def size(self, conn: Connection) -> int:
        """How many events the ledger says it has."""
        ...

    async def after(self, conn: Connection, size: int, limit: int) -> tuple[list[Row], dict[str, int]]:
        """At most `limit` rows from position `size` on, ascending; and, for each stream that they are in and that has
        earlier events, the last version before them."""
        ...

    async def raw(self, conn: Connection, first: int, end: int) -> list[bytes]:
        """The bytes of the events at positions from `first` to before `end`, ascending, without what is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint as it is stored: `note` carries the log's signature and the witnesses' so far."""

    size: int
    note: bytes
    sealed_at: datetime


AlarmKind = Literal["rewritten", "rolled_back"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a witness (its verifier key) said against the log, and the checkpoint that it was asked about."""

    witness: str
    kind: AlarmKind
    message: str
    note: bytes
    raised_at: datetime


class LogBook(Protocol):
    """The log's tiles, checkpoints and alarms."""

    async def newest(self, conn: Connection) -> Kept | None:
        """The largest checkpoint that was signed."""
        ...

    async def published(self, conn: Connection) -> Kept | None:
        """The largest checkpoint that satisfies the policy."""
        ...

    async def tiles(self, conn: Connection, wanted: Iterable[Tile]) -> Tiles:
        """These tiles, each as narrow as asked; those that are not there are left out."""
        ...

    async def save(self, conn: Connection, former: int, sealed: Sealed, kept: Kept, cosigned: bool) -> None:
        """Store a checkpoint that continues that of size `former`, and its tiles, in the caller's transaction.

        Raises `Transient` (`log_moved`) when another one continues it already, `Permanent` (`tiles_inconsistent`)
        when a stored tile is not the beginning of its new self.
        """
        ...

    async def cosign(self, conn: Connection, size: int, cosignatures: Sequence[Signature], policy: Policy) -> bool:
        """Add verified cosignatures to the checkpoint of this size; whether it now satisfies the policy. Locks the
        row until the caller's transaction ends."""
        ...

    async def review(self, conn: Connection, policy: Policy) -> None:
        """Forget which checkpoints satisfied a former policy, when what is published does not satisfy this one."""
        ...

    async def raise_alarm(self, conn: Connection, alarm: Alarm) -> None:
        """Keep the alarm, unless one of the same witness is open."""
        ...

    async def end_alarm(self, conn: Connection, witness: str, at: datetime) -> None:
        """The witness, a verifier key, has nothing against the log any more."""
        ...

    async def open_alarms(self, conn: Connection) -> list[Alarm]:
        """Alarms that have not ended, the oldest first."""
        ...


class AskWitness(Protocol):
    """HTTP to witnesses."""

    async def post(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer. Raises `Transient` (`witness_unreachable`) when there is none
        in time, `Permanent` (`oversized`) when there is too much."""
        ...


WitnessState = Literal["new", "cosigning", "behind", "unreachable", "refusing", "alarm", "unasked"]


class WitnessLine(BaseModel):
    """One witness. `size`: the largest checkpoint it cosigned since the auditor started; `problem`: why the last
    attempt failed. `unasked`: the policy gives no address."""

    name: str
    key: str
    url: str | None
    state: WitnessState
    size: int | None
    cosigned_at: str | None
    problem: str | None


class LogStanding(BaseModel):
    """Where the log is. `events` are in the ledger, `sealed` of them in the tree, `cosigned` in the checkpoint that
    is published. `quorum` is the policy's word for who must have cosigned."""

    origin: str
    key: str
    quorum: str
    events: int
    sealed: int
    sealed_at: str | None
    cosigned: int
    problems: list[str]
    witnesses: list[WitnessLine]


@dataclass(frozen=True, slots=True)
class BundleText:
    """A bundle of events: its length, and its bytes in parts."""

    bytes_long: int
    parts: AsyncIterator[bytes]


class LogReading(Protocol):
    """What the API reads of the log. Nothing here writes."""

    async def standing(self) -> LogStanding:
        """Where the log is now."""
        ...

    async def checkpoint(self) -> bytes | None:
        """The checkpoint that is published."""
        ...

    async def tile(self, tile: Tile) -> bytes | None:
        """The tile, once it is that wide."""
        ...

    async def bundle(self, bundle: Bundle) -> BundleText | None:
        """The sealed events of a bundle; None when they are not all sealed, or the format can't hold one of them."""
        ...

    async def proofs(self, positions: Sequence[int]) -> tuple[Checkpoint, dict[int, bytes]]:
        """The published checkpoint, and a tlog-proof of each position. Raises `Refused` (`not_sealed_yet`)."""
        ...


# Bundles for examiners


class Proofs(Protocol):
    """What an export needs of the log; `LogReading` has it."""

    async def proofs(self, positions: Sequence[int]) -> tuple[Checkpoint, dict[int, bytes]]:
        """The published checkpoint, and a tlog-proof of each position. Raises `Refused` (`not_sealed_yet`)."""
        ...


class Exports(Protocol):
    """Bundles for examiners."""

    async def bundle(self, case_id: str) -> bytes:
        """The bundle of an attested case. As long as attestation, checkpoint and keys are the same, so are its bytes.

        Raises `Refused`: `case_unknown` when there is no attestation, `not_sealed_yet`.
        """
        ...
