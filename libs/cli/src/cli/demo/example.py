"""`trueup up --example findings`: a realm in which a first user can play everybody, from the proposal to the proof.

It gets what the declarations of the example ask for: people with the roles, the two feeds, and the one target system.
The people are marked as simulated. What is there already stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.directory import Person
from common.errors import Refused

from cli.demo import findings
from cli.demo.cast import Member
from cli.demo.scene import EXAMPLES
from cli.observe import feeds
from cli.people import entering
from cli.stack import targets, ticketing
from cli.stack.development import TARGETS
from cli.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Example:
    """What an example needs of its realm. `starts`: the replay clock's first instant, if the realm is new."""

    people: tuple[Member, ...]
    feeds: tuple[str, ...]
    system: str
    ddl: Path
    starts: str
    timezone: str
    next: str

    @property
    def time(self) -> tuple[str, str]:
        """Clock and time zone of a new realm."""
        return f"replay:{self.starts}", self.timezone

    def equip(self, stack: Stack) -> None:
        """Enter who and what is missing. The stack's servers run. Repeatable."""
        content = entering.read(stack.folder)
        known = {person.id for person in content.people}
        for member in self.people:
            if member.id not in known:
                key = entering.own_key(stack.realm, member.id, stack.folder)
                person = Person(id=member.id, name=member.name, roles=member.roles, key=key, simulated=True)
                content = entering.with_person(content, person)
        entering.write(stack.folder, content)
        for feed in self.feeds:
            if not feeds.has_token(stack.folder, feed):
                feeds.give_token(stack.folder, stack.realm, feed)
        file = stack.config / TARGETS
        if self.system not in targets.read(file):
            address = ticketing.provide(stack.postgres, stack.realm, self.ddl.read_text("utf-8"))
            targets.write(file, {**targets.read(file), self.system: address})


KNOWN = {
    "findings": Example(
        people=findings.CAST,
        feeds=(findings.FINDINGS, findings.RETESTS),
        system="ticketing",
        ddl=EXAMPLES / "findings" / "ticketing.sql",
        starts=findings.STARTS,
        timezone=findings.TIMEZONE,
        next="trueup login --person c.adeyemi && trueup apply examples/findings/findings.yaml",
    )
}


def named(name: str) -> Example:
    """The example, or `Refused` (`unknown_example`)."""
    if name not in KNOWN:
        raise Refused("unknown_example", f"there is no example {name!r}", f"This version has: {', '.join(KNOWN)}.")
    return KNOWN[name]
