"""The realm's directory: which people there are, what roles they hold, and their public keys.

Services read it from a file that is deployed beside them, not from the database: whoever can write the ledger can't
make a person. People are compared, not accounts; an agent or a service is never a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from common.canonical import parse_strict
from common.errors import Permanent, Refused
from common.watching import Watched

MAX_BYTES = 4 * 1024 * 1024


class Person(BaseModel):
    """One natural person. `key` is the base64 of the raw Ed25519 public key. `simulated` marks a person of a demo.
    `emails` are the addresses under which they write commits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str
    roles: tuple[str, ...]
    key: str
    simulated: bool = False
    emails: tuple[str, ...] = ()


class DirectoryFile(BaseModel):
    """The file's shape. `agents` are identities that act for software and may decide nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: str
    people: tuple[Person, ...]
    agents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directory:
    """People by id."""

    realm: str
    people: Mapping[str, Person]
    agents: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, realm: str, people: Sequence[Person], agents: Sequence[str] = ()) -> Directory:
        by_id = {person.id: person for person in people}
        if len(by_id) != len(people):
            raise Permanent("directory_duplicate", "two people of the directory share one id")
        keys = {person.key for person in people}
        if len(keys) != len(people):
            raise Permanent("directory_shared_key", "two people of the directory share one key")
        emails = [email.casefold() for person in people for email in person.emails]
        if len(set(emails)) != len(emails):
            raise Permanent("directory_shared_email", "two people of the directory share one email address")
        return cls(realm, by_id, frozenset(agents))

    @classmethod
    def read(cls, path: Path) -> Directory:
        """The directory in the JSON file `path`. Raises `Permanent` or pydantic's ValidationError."""
        content = DirectoryFile.model_validate(parse_strict(path.read_bytes(), MAX_BYTES))
        return cls.of(content.realm, content.people, content.agents)

    def person(self, person_id: str) -> Person:
        """The person, or `Refused`: `agent_identity` for software, `person_unknown` for anybody else."""
        if person_id in self.agents or ":" in person_id:
            raise Refused("agent_identity", f"{person_id} is software; only people decide", "sign in as a person")
        person = self.people.get(person_id)
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
        """The id of the person who writes commits under this address; None: nobody is known to."""
        wanted = email.strip().casefold()
        for person in self.people.values():
            if wanted in (known.casefold() for known in person.emails):
                return person.id
        return None

    def names(self) -> dict[str, str]:
        return {person.id: person.name for person in self.people.values()}


class WatchedDirectory(Watched[Directory]):
    """The people of `realm`, as the file has them now. Raises `Permanent` (`wrong_realm`, `directory_missing`)."""

    def __init__(self, path: Path, realm: str) -> None:
        def read(path: Path) -> Directory:
            directory = Directory.read(path)
            if directory.realm != realm:
                raise Permanent("wrong_realm", f"{path} is of realm {directory.realm}, not {realm}")
            return directory

        super().__init__(path, read, "the directory's file", "directory_missing")
