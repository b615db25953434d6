"""Cases by a key as people know it, which the ledger may hold a pseudonym for.

Asked in a body, because addresses are written to logs on their way.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from common.directory import Person
from common.http_auth import Bearer
from fastapi import APIRouter, Depends

from auditor.api.models import CasesFound, CasesSought
from auditor.ports import Reading

KnownAs = Callable[[str, Person], Awaitable[tuple[Sequence[str], str]]]
"""(a key as people know it, who asks) -> the keys that the ledger has instead; what to say where nothing is found."""


async def no_others(_key: str, _person: Person) -> tuple[Sequence[str], str]:
    """For a realm without sensitive keys."""
    return (), ""


def finding(reading: Reading, bearer: Bearer, known: KnownAs) -> APIRouter:
    routes = APIRouter(tags=["cases"])

    @routes.post("/cases/find")
    async def find(sought: CasesSought, person: Annotated[Person, Depends(bearer)]) -> CasesFound:
        """Cases by the entity's key, as people know it or as the ledger does. Of an erased one nothing is found."""
        others, why = await known(sought.key, person)
        keys = (sought.key, *others)
        lines, total = await reading.cases(sought.stage, sought.desired_state, keys, sought.after, sought.limit)
        following = lines[-1].case if len(lines) == sought.limit else None
        return CasesFound(cases=lines, next=following, total=total, note="" if total else why)

    return routes
