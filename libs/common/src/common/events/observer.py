"""What the observer records: what upstream systems reported, as they reported it."""

from __future__ import annotations

from typing import Any, ClassVar

from common.events.model import EventData


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
