"""What the ledger calls the entity that people know by a key: the pseudonym, where the key is sensitive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.current import Current
from common.directory import Person
from common.entities.naming import told_as
from common.subject_keys import SubjectKeys

NOTHING = (
    "No case is known by this key. Whom an erased case was about nobody can say any more; those who deal with "
    "erasures are told its pseudonym."
)
NO_KEYS = (
    "No case is known by this key as it stands. The ledger holds pseudonyms instead of sensitive keys, and this "
    "auditor has not the subject keys (TRUEUP_SUBJECT_KEYS) to tell which."
)


@dataclass(frozen=True, slots=True)
class Naming:
    """Computes pseudonyms with the realm's secret, for this question alone: nothing of it is kept or written."""

    pool: Any
    current: Current
    keys: SubjectKeys | None

    async def known_as(self, key: str, person: Person) -> tuple[Sequence[str], str]:
        """The pseudonyms of what people know by `key`, as far as `person` may be told, and what to say when there is
        no case of any."""
        async with self.pool.acquire() as conn:
            catalogue = await self.current.catalogue(conn)
        if not any(spec.sensitive_key for spec in catalogue.entity_types.values()):
            return (), ""
        found = await told_as(catalogue, self.keys, key, person.roles)
        return [pseudonym for _, pseudonym in found], NO_KEYS if self.keys is None else NOTHING
