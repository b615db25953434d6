"""The keys that people and target systems know an entity by, where the ledger has a pseudonym for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import orjson

from common.declarations.catalogue import Catalogue
from common.declarations.values import Unknown
from common.entities.rows import Ref
from common.entities.views import opener_of
from common.erasures import APPROVER, REQUESTER
from common.events.observer import EntityObserved
from common.ids import entity_stream
from common.ledger import Connection
from common.pseudonyms import pseudonym
from common.sealing import is_sealed
from common.subject_keys import SubjectKeys

_NEWEST = (
    "SELECT s.stream, e.event FROM unnest($1::text[]) AS s (stream) CROSS JOIN LATERAL ("
    "SELECT event FROM ledger.events WHERE stream = s.stream AND type = $2 ORDER BY version DESC LIMIT 1) e"
)


async def keys_behind(
    conn: Connection, catalogue: Catalogue, refs: Iterable[Ref], keys: SubjectKeys | None
) -> dict[Ref, str | Unknown]:
    """The real key of each entity that is known by a pseudonym, or why it can't be told (`erased`); others are left
    out. It is opened from the row that was reported last, also of an entity that was withdrawn since."""
    types = catalogue.entity_types
    wanted = [ref for ref in dict.fromkeys(refs) if ref[0] in types and types[ref[0]].sensitive_key]
    if not wanted:
        return {}
    found = {} if keys is None else await keys.read(wanted)
    rows = await conn.fetch(_NEWEST, [entity_stream(*ref) for ref in wanted], EntityObserved.TYPE)
    sealed = {stream: orjson.loads(event)["data"]["row"] for stream, event in rows}
    behind: dict[Ref, str | Unknown] = {}
    for ref in wanted:
        cell = sealed.get(entity_stream(*ref), {}).get(types[ref[0]].key)
        opened = opener_of(ref, found)(cell) if is_sealed(cell) else Unknown("absent", "it was never reported")
        behind[ref] = opened if isinstance(opened, Unknown) else str(opened).strip()
    return behind


async def told_as(
    catalogue: Catalogue, keys: SubjectKeys | None, key: str, roles: Collection[str], entity_type: str | None = None
) -> list[Ref]:
    """Those of `known_as` that somebody with these roles may be told of. Of an erased one the pseudonym is told to
    those alone who deal with erasures: for all others nobody can say any more whom it was about."""
    found = await known_as(catalogue, keys, key, entity_type)
    told = not {REQUESTER, APPROVER}.isdisjoint(roles)
    return [ref for ref, erased in found.items() if told or not erased]


async def known_as(
    catalogue: Catalogue, keys: SubjectKeys | None, key: str, entity_type: str | None = None
) -> dict[Ref, bool]:
    """The entities of a sensitive type (this one, or any) whose real key is `key`, and whether each is erased."""
    types = [entity_type] if entity_type is not None else list(catalogue.entity_types)
    hidden = [name for name in types if name in catalogue.entity_types and catalogue.entity_types[name].sensitive_key]
    secret = await keys.pseudonym_secret() if keys is not None and hidden else None
    if keys is None or secret is None:
        return {}
    found = await keys.read((name, pseudonym(secret, name, key)) for name in hidden)
    return {ref: subject.secret is None for ref, subject in found.items()}
