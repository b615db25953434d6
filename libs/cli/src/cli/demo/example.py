"""`trueup up --example NAME`: a realm in which a first user can play everybody, from the proposal to the proof.

It gets what the declarations of the example ask for: people with the roles, the feeds, and the target system if they
act on one. The people are marked as simulated. What is there already stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.directory import Person
from common.errors import Refused

from cli.demo import findings, on_onboarding, vendors
from cli.demo.cast import Member
from cli.demo.scene import EXAMPLES
from cli.observe import feeds
from cli.people import entering
from cli.stack import clocks, targets, ticketing
from cli.stack.development import TARGETS
from cli.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Example:
    """What an example needs of its realm. `starts`: the replay clock's first instant, if the realm is new; "": a wall
    clock. `target`: the system that its actions act on, and the DDL of that database."""

    people: tuple[Member, ...]
    feeds: tuple[str, ...]
    target: tuple[str, Path] | None
    starts: str
    timezone: str
    next: str

    @property
    def time(self) -> tuple[str, str]:
        """Clock and time zone of a new realm."""
        return f"replay:{self.starts}" if self.starts else clocks.WALL, self.timezone

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
        if self.target is not None:
            _give_target(stack, *self.target)


def _give_target(stack: Stack, system: str, ddl: Path) -> None:
    file = stack.config / TARGETS
    if system not in targets.read(file):
        address = ticketing.provide(stack.postgres, stack.realm, ddl.read_text("utf-8"))
        targets.write(file, {**targets.read(file), system: address})


def _next(person: str, name: str, file: str = "") -> str:
    return f"trueup login --person {person} && trueup apply examples/{name}/{file or name}.yaml"


_OWNER = Member("f.silva", "F. Silva", ("system-owner", "it-service"))
_RISK = Member("r.osei", "R. Osei", ("risk",))
"""Whom a plan of high risk needs, which no demo has."""
KNOWN = {
    "findings": Example(
        people=(*findings.CAST, _OWNER),
        feeds=(findings.FINDINGS, findings.RETESTS),
        target=("ticketing", EXAMPLES / "findings" / "ticketing.sql"),
        starts=findings.STARTS,
        timezone=findings.TIMEZONE,
        next=_next("c.adeyemi", "findings"),
    ),
    "vendors": Example(
        people=(*vendors.CAST, _RISK),
        feeds=(vendors.MASTER, vendors.ASSESSMENTS, vendors.LIST),
        target=("vendor-risk", EXAMPLES / "vendors" / "vendor-risk.sql"),
        starts=vendors.STARTS,
        timezone=vendors.TIMEZONE,
        next=_next("c.adeyemi", "vendors"),
    ),
    "onboarding": Example(
        people=(*on_onboarding.CAST, _OWNER, _RISK),
        feeds=(on_onboarding.ORIGINATION, on_onboarding.KYC),
        target=None,
        starts=on_onboarding.STARTS,
        timezone=on_onboarding.TIMEZONE,
        next=_next("h.visser", "onboarding"),
    ),
    "git": Example(
        people=(*findings.CAST[:2], *(who for who in findings.CAST if "head-of-compliance" in who.roles)),
        feeds=("git",),
        target=None,
        starts="",
        timezone=clocks.ZONE,
        next=_next("c.adeyemi", "git", "as-in-git"),
    ),
}


def named(name: str) -> Example:
    """The example, or `Refused` (`unknown_example`)."""
    if name not in KNOWN:
        raise Refused("unknown_example", f"there is no example {name!r}", f"This version has: {', '.join(KNOWN)}.")
    return KNOWN[name]
