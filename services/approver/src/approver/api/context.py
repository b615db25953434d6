"""What the routes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from common.directory import Directory
from common.http_auth import Bearer, Logins, Tokens
from common.ledger import Connection
from common.sealing import Keys, Subject
from common.subject_keys import SubjectKeys

from approver.desk import Desk
from approver.ports import Lists

T = TypeVar("T")


class Transact(Protocol):
    """Runs work in a transaction, tried again when another one came first; answers once it is committed."""

    async def __call__(self, work: Callable[[Connection], Awaitable[T]], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Context:
    """`bearer` is the dependency that says who is asking; `quiescent` whether all services have handled all;
    `subject_keys` opens what is sealed, for pages."""

    realm: str
    desk: Desk
    lists: Lists
    transact: Transact
    people: Callable[[], Directory]
    tokens: Tokens
    logins: Logins
    bearer: Bearer
    quiescent: Callable[[], Awaitable[tuple[bool, list[str]]]]
    wall: Callable[[], datetime]
    subject_keys: SubjectKeys | None = None

    async def keys(self, subjects: Sequence[Subject]) -> Keys:
        """The keys there are; none without TRUEUP_SUBJECT_KEYS."""
        return {} if self.subject_keys is None else await self.subject_keys.read(subjects)
