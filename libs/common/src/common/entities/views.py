"""From a stored row to what a rule reads. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from common.declarations.evaluation import EntityView, Limit, Origin
from common.declarations.models import EntityType
from common.declarations.reading import Opener, Reader, Reading
from common.declarations.relations import Candidate
from common.declarations.values import Json, Unknown
from common.entities.rows import Ref, StoredEntity
from common.errors import Permanent
from common.ids import entity_stream
from common.sealing import ERASED, Keys, unseal


def fresh_until(spec: EntityType, entity: StoredEntity) -> datetime | None:
    """The instant from which the row is stale; None when it never is.

    A row that a later complete snapshot does not name is stale from that snapshot on: it may be gone, nobody said.
    """
    limits = [] if entity.missing is None else [entity.missing]
    if spec.fresh_for is not None:
        limits.append(entity.as_of + timedelta(days=spec.fresh_for.count))
    return min(limits, default=None)


def origin_of(spec: EntityType, entity: StoredEntity, source: Limit | None = None) -> Origin:
    """The observation that the row was read from. `source`: from when on its feed can't be relied on."""
    until, stream = fresh_until(spec, entity), entity_stream(*entity.ref)
    if source is not None and (until is None or source.at <= until):
        return Origin(stream, entity.event_id, source.at, source.reason)
    return Origin(stream, entity.event_id, until)


def opener_of(ref: Ref, keys: Keys) -> Opener:
    """Opens what is sealed in the row of `ref`, where `keys` has its key; says `erased` where it is destroyed."""
    found = keys.get(ref)

    def opened(sealed: str) -> Json | Unknown:
        if sealed == ERASED or (found is not None and found.secret is None):
            return Unknown("undecided", "erased")
        if found is None or found.secret is None:
            return Unknown("undecided", "its subject key is missing")
        try:
            return cast(Json, unseal(sealed, found.secret, ref))
        except Permanent as error:
            return Unknown("undecided", error.message)

    return opened


def view_of(
    spec: EntityType,
    reader: Reader,
    entity: StoredEntity,
    opener: Opener | None = None,
    source: Limit | None = None,
) -> EntityView:
    """The entity's own attributes, without relations. Without an `opener` what is sealed stays Unknown. `source`:
    from when on its feed can't be relied on."""
    return EntityView(*entity.ref, _reading(reader, entity, opener).values, origin_of(spec, entity, source))


def candidate_of(spec: EntityType, reader: Reader, entity: StoredEntity, opener: Opener | None = None) -> Candidate:
    """The entity as the far end of a relation."""
    return Candidate(entity.ref[1], dict(_reading(reader, entity, opener).values), origin_of(spec, entity))


def _reading(reader: Reader, entity: StoredEntity, opener: Opener | None) -> Reading:
    return reader.read(entity.row, opener) if entity.events is None else reader.read_case(entity.events, opener)
