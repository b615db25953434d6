"""Entities that the ledger knows by a pseudonym, by the keys that people know them by.

Who is signed in may see the keys, and look entities up by them (`common.entities.naming` says of which).
"""

from __future__ import annotations

from collections.abc import Iterable

from common.declarations.catalogue import Catalogue
from common.declarations.values import Unknown
from common.directory import Person
from common.entities.naming import keys_behind, told_as
from common.sealing import Subject

from approver.api.context import Context


async def pseudonyms(context: Context, person: Person, key: str, entity_type: str | None = None) -> list[Subject]:
    """The entities (of this type, or any) that people know by `key` and that `person` may be told of."""
    return await told_as(await _catalogue(context), context.subject_keys, key, person.roles, entity_type)


async def keys_of(context: Context, person: Person, key: str) -> tuple[str, ...]:
    """What `key` may be in the ledger: itself, and the pseudonyms of those that people know by it."""
    return key, *(found for _, found in await pseudonyms(context, person, key))


async def names(context: Context, refs: Iterable[Subject]) -> dict[Subject, str]:
    """What pseudonyms among `refs` stand for, in a word: the key, or why it can't be told."""
    catalogue = await _catalogue(context)
    if not any(spec.sensitive_key for spec in catalogue.entity_types.values()):
        return {}
    behind = await context.transact(lambda conn: keys_behind(conn, catalogue, refs, context.subject_keys))
    return {ref: name.reason if isinstance(name, Unknown) else name for ref, name in behind.items()}


async def _catalogue(context: Context) -> Catalogue:
    return (await context.transact(context.desk.look)).declarations.catalogue
