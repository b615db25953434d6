"""The realm's directory: which people there are, what roles they hold, and their public keys.

Services read it from a file that is deployed beside them, not from the database: whoever can write the ledger can't
make a person. People are compared, not accounts; an agent or a service is never a person.

Who has left stays in the file, with the instant until which what they signed counts: what they decided can be
verified for as long as the ledger stands, and from then on they decide nothing (decisions/0030).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from common.canonical import parse_strict
from common.clock import parse_instant
from common.errors import Permanent, Refused
from common.watching import Watched

MAX_BYTES = 4 * 1024 * 1024


def _instant(text: str) -> str:
    parse_instant(text)
    return text


Instant = Annotated[str, AfterValidator(_instant)]


class FormerKey(BaseModel):
    """A key that was somebody's until before `until` (RFC 3339)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    until: Instant


class Person(BaseModel):
    """One natural person. `key` is the base64 of the raw Ed25519 public key. `simulated` marks a person of a demo.
    `emails` are the addresses under which they write commits. `until` is set once they have left: from the moment it
    stands in the file they decide nothing, and what they signed before that instant still verifies. `former` are keys
    that they had before this one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str
    roles: tuple[str, ...]
    key: str
    simulated: bool = False
    emails: tuple[str, ...] = ()
    until: Instant | None = None
    former: tuple[FormerKey, ...] = ()

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Of most people there is nothing to say of leaving and former keys: their entries stay as they were."""
        told: dict[str, Any] = handler(self)
        return {name: value for name, value in told.items() if name not in ("until", "former") or value}

    @property
    def keys(self) -> list[str]:
        """All that are or were theirs."""
        return [self.key, *(one.key for one in self.former)]

    def key_at(self, time: datetime) -> str | None:
        """The key that counts for what they signed at `time`; None: they had left."""
        for one in sorted(self.former, key=lambda one: parse_instant(one.until)):
            if time < parse_instant(one.until):
                return one.key
        return self.key if self.until is None or time < parse_instant(self.until) else None


class DirectoryFile(BaseModel):
    """The file's shape. `agents` are identities that act for software and may decide nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: str
    people: tuple[Person, ...]
    agents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directory:
    """People by id: `people` are those who are there, `left` those who have left."""

    realm: str
    people: Mapping[str, Person]
    agents: frozenset[str] = field(default_factory=frozenset)
    left: Mapping[str, Person] = field(default_factory=dict)

    @classmethod
    def of(cls, realm: str, people: Sequence[Person], agents: Sequence[str] = ()) -> Directory:
        by_id = {person.id: person for person in people}
        if len(by_id) != len(people):
            raise Permanent("directory_duplicate", "two people of the directory share one id")
        keys = [key for person in people for key in person.keys]
        if len(set(keys)) != len(keys):
            raise Permanent("directory_shared_key", "two people of the directory share one key")
        emails = [email.casefold() for person in people for email in person.emails]
        if len(set(emails)) != len(emails):
            raise Permanent("directory_shared_email", "two people of the directory share one email address")
        there = {person.id: person for person in people if person.until is None}
        left = {person.id: person for person in people if person.until is not None}
        return cls(realm, there, frozenset(agents), left)

    @classmethod
    def read(cls, path: Path) -> Directory:
        """The directory in the JSON file `path`. Raises `Permanent` or pydantic's ValidationError."""
        content = DirectoryFile.model_validate(parse_strict(path.read_bytes(), MAX_BYTES))
        return cls.of(content.realm, content.people, content.agents)

    def person(self, person_id: str) -> Person:
        """The person who may decide now, or `Refused`: `agent_identity` for software, `person_left` for who has left,
        `person_unknown` for anybody else."""
        person = self._known(person_id)
        if person.until is not None:
            raise _left(person)
        return person

    def decided(self, person_id: str, time: str) -> tuple[Person, str]:
        """Who decided something that was recorded at `time` (an event's), perhaps somebody who has left since, and
        the key that counted for them then. Raises what `person` does; `person_left` when they had left by then."""
        person = self._known(person_id)
        try:
            key = person.key_at(parse_instant(time))
        except (TypeError, ValueError) as error:  # what a hostile writer stored may be of any type
            raise Refused("signature_invalid", f"{time!r} is no time at which {person_id} signed anything") from error
        if key is None:
            raise _left(person)
        return person, key

    def everybody(self) -> list[Person]:
        """Those who are there and those who have left."""
        return [*self.people.values(), *self.left.values()]

    def _known(self, person_id: str) -> Person:
        if person_id in self.agents or ":" in person_id:
            raise Refused("agent_identity", f"{person_id} is software; only people decide", "sign in as a person")
        person = self.people.get(person_id) or self.left.get(person_id)
        if person is None:
            raise Refused(
                "person_unknown",
                f"{person_id} is not in the directory of realm {self.realm}",
                "ask the realm's administrator to enter you, with your public key",
            )
        return person

    def holders(self, role: str) -> list[str]:
        """The ids of the people who hold `role`, sorted."""
        return sorted(person.id for person in self.people.values() if role in person.roles)

    def writer(self, email: str) -> str | None:
        """The id of the person who writes commits under this address, or did; None: nobody is known to."""
        wanted = email.strip().casefold()
        for person in self.everybody():
            if wanted in (known.casefold() for known in person.emails):
                return person.id
        return None

    def names(self) -> dict[str, str]:
        """Of everybody."""
        return {person.id: person.name for person in self.everybody()}


def _left(person: Person) -> Refused:
    return Refused(
        "person_left",
        f"{person.name} ({person.id}) has left: what they signed counts until {person.until}",
        "somebody who is there must decide it",
    )


class WatchedDirectory(Watched[Directory]):
    """The people of `realm`, as the file has them now. Raises `Permanent` (`wrong_realm`, `directory_missing`)."""

    def __init__(self, path: Path, realm: str) -> None:
        def read(path: Path) -> Directory:
            directory = Directory.read(path)
            if directory.realm != realm:
                raise Permanent("wrong_realm", f"{path} is of realm {directory.realm}, not {realm}")
            return directory

        super().__init__(path, read, "the directory's file", "directory_missing")
