"""A declaration counts when two people put it there: what a login to the database can write counts for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest
from common.activations import check_activation
from common.clock import instant, parse_instant
from common.current import Current
from common.directory import Directory
from common.errors import Refused
from common.events import Event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.ledger import Ledger, Recorded
from common.signing import sign
from support.casework import AUTHOR, FINDINGS, having_left
from support.walk import ACTIVATOR, Walk, directory, keys

Change = Callable[[dict[str, Any]], dict[str, Any]]


@cache
def walk() -> Walk:
    made = Walk()
    made.found()
    made.declare()
    return made


def declared(kind: str = "ActionType") -> tuple[list[Event], Event]:
    """All proposals, and the activation of the first document of this kind."""
    proposed = [event for event in walk().ledger if event.type == DeclarationProposed.TYPE]
    activated = [event for event in walk().ledger if event.type == DeclarationActivated.TYPE]
    return proposed, next(event for event in activated if event.data["kind"] == kind)


def altered(event: Event, **data: Any) -> Event:
    return replace(event, data={**event.data, **data})


def decided(event: Event, person: str, **decision: Any) -> Event:
    """The same with another decision, properly signed by this person."""
    made = Decision.model_validate({**event.data["decision"], "person": person, **decision})
    data = {**event.data, "decision": made.model_dump(mode="json", exclude_none=True)}
    return replace(event, data=data, actor=f"person:{person}", signature=sign(made, keys()[person]))


def refused(event: Event, before: Sequence[Event], people: Directory | None = None) -> str:
    with pytest.raises(Refused) as caught:
        check_activation(event, before, people or directory())
    return caught.value.reason_code


def test_what_two_people_signed_counts() -> None:
    proposed, activated = declared()
    check_activation(activated, proposed, directory())
    after = instant(parse_instant(activated.time).replace(year=2100))
    check_activation(activated, proposed, having_left(having_left(directory(), AUTHOR, after), ACTIVATOR, after))


EVIL = {"does": "Something that nobody has read."}


def test_what_nobody_signed_does_not() -> None:
    proposed, activated = declared()
    own = [event for event in proposed if event.subject == activated.subject]
    spec = {**activated.data["spec"], **EVIL}
    assert refused(altered(activated, spec=spec), proposed) == "stale_digest"
    forged = [altered(event, spec=spec) if event in own else event for event in proposed]
    assert refused(altered(activated, spec=spec), forged) == "stale_digest"
    assert refused(replace(activated, signature=f"{ACTIVATOR}:{'A' * 86}=="), proposed) == "signature_invalid"
    assert refused(replace(activated, signature=None), proposed) == "signature_missing"
    unsigned = [replace(event, signature=f"{AUTHOR}:{'A' * 86}==") for event in proposed]
    assert refused(activated, unsigned) == "signature_invalid"
    assert refused(activated, []) == "proposal_unknown"
    assert refused(activated, [event for event in proposed if event not in own]) == "proposal_unknown"
    assert (
        refused(activated, own) == "stale_digest"
    )  # the others of the set, which were signed with it, are kept back


def test_one_person_does_not_do_both_parts_and_nobody_signs_for_another_proposal() -> None:
    proposed, activated = declared()
    assert refused(altered(decided(activated, AUTHOR), author=AUTHOR), proposed) == "author_decides"
    assert refused(altered(activated, author="j.moreau"), proposed) == "author_decides"
    assert refused(altered(activated, wrote={"people": [ACTIVATOR]}), proposed) == "author_decides"
    assert refused(decided(activated, ACTIVATOR, case="p-other"), proposed) == "wrong_case"
    assert refused(decided(activated, ACTIVATOR, kind="propose"), proposed) == "wrong_stage"
    assert refused(decided(activated, ACTIVATOR, realm="elsewhere"), proposed) == "wrong_realm"
    assert refused(decided(activated, ACTIVATOR, subject="0" * 64), proposed) == "stale_digest"
    assert refused(activated, proposed, having_left(directory(), ACTIVATOR, activated.time)) == "person_left"
    assert refused(activated, proposed, replace(directory(), people={})) == "person_unknown"


class FixedLedger:
    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)

    async def read_stream(self, _source: Any, stream: str, from_version: int = 1) -> list[Recorded]:
        found = [item for item in self._recorded() if item.event.subject == stream]
        return found[from_version - 1 :]

    async def read_category(self, _source: Any, prefix: str, after: int = -1, limit: int = 10) -> list[Recorded]:
        return [item for item in self._recorded() if item.position > after and item.event.subject.startswith(prefix)][
            :limit
        ]

    def _recorded(self) -> list[Recorded]:
        return [Recorded(position, event, event.encode()) for position, event in enumerate(self.events)]


def current(events: Sequence[Event], people: Callable[[], Directory] | None = None) -> Current:
    return Current(cast(Ledger, FixedLedger(events)), people)


async def test_a_forged_declaration_leaves_in_force_what_people_put_there() -> None:
    _, activated = declared()
    name, spec = activated.data["name"], {**activated.data["spec"], **EVIL}
    forged = replace(altered(activated, spec=spec), id="forged")
    nonsense = [replace(activated, id="n1", data={}), replace(activated, id="n2", data={"proposal": 5})]
    asking = current([*walk().ledger, forged, *nonsense], directory)
    honest = await current(walk().ledger).catalogue(None)
    assert (await asking.catalogue(None)).digest == honest.digest
    assert "already_decided" in asking.refused[0]
    assert len(asking.refused) == 3
    believing = current([*walk().ledger, forged])
    assert (await believing.catalogue(None)).documents["ActionType", name].spec == spec, "without asking people"


async def test_what_was_signed_once_counts_once() -> None:
    """Or whoever has the login would bring a former version back, with the signatures that it had then."""
    later = Walk(wall=walk().wall, ledger=list(walk().ledger))
    later.declare(FINDINGS.read_text().replace("about: One audit", "about: Each audit"))
    name = next(event for event in later.ledger if event.type == DeclarationActivated.TYPE).subject
    replayed = [replace(event, id=f"again-{event.id}") for event in walk().ledger if event.subject == name]
    assert {event.type for event in replayed} == {DeclarationProposed.TYPE, DeclarationActivated.TYPE}
    honest = await current(later.ledger, directory).catalogue(None)
    for forged in (replayed, replayed[1:]):
        asking = current([*later.ledger, *forged], directory)
        assert (await asking.catalogue(None)).digest == honest.digest
        assert ["already_decided" in why for why in asking.refused] == [True]


async def test_who_decided_is_asked_again_when_the_directory_changes() -> None:
    people = {"now": replace(directory(), people={})}
    asking = current(walk().ledger, lambda: people["now"])
    assert not (await asking.catalogue(None)).documents
    people["now"] = directory()
    assert (await asking.catalogue(None)).documents
    assert asking.refused == []
