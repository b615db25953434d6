"""What the observer records: what upstream systems reported, as they reported it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from common.events.model import EventData, Part


class EntityObserved(EventData):
    """An upstream system reported the whole row of one entity.

    `row` is stored as given (floats as decimal strings). `source_time` is the upstream's own instant; observations
    of one feed are ordered by (`source_time`, `sequence`, event id). `upstream_id` is the upstream message's id.
    `simulated` marks what a demo made up.
    """

    TYPE: ClassVar[str] = "trueup.entity.observed.v1"
    CATEGORY: ClassVar[str] = "entity"

    entity_type: str
    key: str
    feed: str
    row: dict[str, Any]
    source_time: str
    upstream_id: str
    sequence: int | None = None
    origin: str | None = None
    simulated: bool = False


class EntityWithdrawn(EventData):
    """An upstream system says that the entity is no longer there. The only way an entity is removed."""

    TYPE: ClassVar[str] = "trueup.entity.withdrawn.v1"
    CATEGORY: ClassVar[str] = "entity"

    entity_type: str
    key: str
    feed: str
    source_time: str
    upstream_id: str
    sequence: int | None = None
    reason: str = ""
    simulated: bool = False


class ObservationRejected(EventData):
    """An upstream message was refused. The payload itself is not stored: its digest, size and origin are.

    `quarantine` is the row of the observer's erasable quarantine that holds the payload, if it was kept.
    """

    TYPE: ClassVar[str] = "trueup.observation.rejected.v1"
    CATEGORY: ClassVar[str] = "source"

    feed: str
    reason_code: str
    reason: str
    payload_digest: str
    payload_bytes: int
    origin: str
    upstream_id: str | None = None
    entity_type: str | None = None
    key: str | None = None
    quarantine: str | None = None


class ErasureDone(EventData):
    """The subject's key was destroyed: what is sealed of it in the ledger can't be opened any more.

    `approval` is the ErasureApproved event's id. `payloads` counts the refused messages about the subject whose
    payload was erased from the quarantine with it.
    """

    TYPE: ClassVar[str] = "trueup.erasure.done.v1"
    CATEGORY: ClassVar[str] = "erased"

    entity_type: str
    key: str
    approval: str
    payloads: int


class SourceReported(EventData):
    """A feed reported a snapshot of one entity type: which rows it held, as of when.

    A snapshot comes in `parts` (1-based `part`). `refreshed` are keys whose row is the one already stored: they
    are as fresh as `as_of` without being stored again. Of a `complete` snapshot, a key that no part and no
    observation with `snapshot` as its upstream prefix names has gone missing and becomes Unknown.
    """

    TYPE: ClassVar[str] = "trueup.source.reported.v1"
    CATEGORY: ClassVar[str] = "source"

    feed: str
    entity_type: str
    snapshot: str
    as_of: str
    rows: int
    rows_digest: str
    complete: bool
    refreshed: list[str]
    stored: list[str]
    part: int = 1
    parts: int = 1
    simulated: bool = False


class SourceCounted(EventData):
    """A control total: a feed said how many entities of a type it held as of an instant.

    `keys_digest` is SHA-256 (hex) over their keys, sorted by code point, one a line; `sums` are sums of columns
    (decimal text). `upstream_id` is the upstream message's id. Whether it agrees with what is held is judged anew
    whenever something reported up to `as_of` comes in late (`SourceJudged`).
    """

    TYPE: ClassVar[str] = "trueup.source.counted.v1"
    CATEGORY: ClassVar[str] = "source"

    feed: str
    entity_type: str
    as_of: str
    rows: int
    upstream_id: str
    keys_digest: str | None = None
    sums: dict[str, str] = Field(default_factory=dict)
    simulated: bool = False


class Doubt(Part):
    """Why what a feed reported is not complete, since when. Without `entity_type` it is about all of its types."""

    reason_code: Literal["sequence_missing", "rows_missing", "rows_unexpected", "contents_differ"]
    since: str
    says: str
    entity_type: str | None = None


class SourceJudged(EventData):
    """Whether a feed is complete, after this event: `doubts` is empty when it is. Appended when that changes."""

    TYPE: ClassVar[str] = "trueup.source.judged.v1"
    CATEGORY: ClassVar[str] = "source"

    feed: str
    doubts: list[Doubt]
