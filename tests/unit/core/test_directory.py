"""Who is there, who has left, and which key counted when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common.clock import instant
from common.directory import Directory, FormerKey, Person
from common.errors import Permanent, Refused
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=UTC)


def on(day: int) -> str:
    return instant(START + timedelta(days=day))


ANN = Person(id="ann", name="Ann", roles=("risk",), key="ann-2", former=(FormerKey(key="ann-1", until=on(10)),))
BOB = Person(id="bob", name="Bob", roles=("risk",), key="bob-1", until=on(20), emails=("bob@example.org",))
DIRECTORY = Directory.of("demo", [ANN, BOB], ["playbook"])


def test_who_has_left_decides_nothing_and_what_they_decided_is_known_to_be_theirs() -> None:
    assert list(DIRECTORY.people) == ["ann"] and DIRECTORY.holders("risk") == ["ann"]
    with pytest.raises(Refused) as caught:
        DIRECTORY.person("bob")
    assert (caught.value.reason_code, on(20) in caught.value.message) == ("person_left", True)
    assert DIRECTORY.decided("bob", on(19)) == (BOB, "bob-1")
    with pytest.raises(Refused, match="person_left"):
        DIRECTORY.decided("bob", on(20))
    assert DIRECTORY.names() == {"ann": "Ann", "bob": "Bob"}
    assert DIRECTORY.writer("Bob@example.org") == "bob"  # their commits stay theirs


def test_who_was_never_there_and_software_are_told_apart_from_who_has_left() -> None:
    for name, code in (("eve", "person_unknown"), ("playbook", "agent_identity"), ("agent:x/1", "agent_identity")):
        for ask in (DIRECTORY.person, lambda who: DIRECTORY.decided(who, on(1))):
            with pytest.raises(Refused, match=code):
                ask(name)


def test_a_former_key_counts_for_what_was_signed_with_it_and_for_nothing_later() -> None:
    assert DIRECTORY.decided("ann", on(9))[1] == "ann-1"
    assert DIRECTORY.decided("ann", on(10))[1] == "ann-2"
    assert DIRECTORY.person("ann").key == "ann-2"


@given(st.lists(st.integers(0, 50), unique=True, max_size=5), st.integers(0, 60))
def test_at_each_instant_one_key_counts_whatever_the_order_in_the_file(days: list[int], day: int) -> None:
    former = [FormerKey(key=f"until {at}", until=on(at)) for at in days]
    person = Person(id="ann", name="Ann", roles=(), key="now", former=tuple(former))
    later = [at for at in days if at > day]
    assert person.key_at(START + timedelta(days=day)) == (f"until {min(later)}" if later else "now")


def test_a_time_that_is_none_is_nobodys() -> None:
    for time in ("", "yesterday", "2026-01-01", None, 5):
        with pytest.raises(Refused, match="signature_invalid"):
            DIRECTORY.decided("ann", time)  # type: ignore[arg-type]


def test_a_key_is_one_persons_for_ever() -> None:
    for key in ("bob-1", "ann-1"):
        with pytest.raises(Permanent, match="directory_shared_key"):
            Directory.of("demo", [ANN, BOB, Person(id="eve", name="Eve", roles=(), key=key)])


def test_an_entry_says_nothing_of_leaving_until_somebody_leaves(tmp_path: Path) -> None:
    """Attestations hold entries: those that were issued before there was such a thing still read the same."""
    plain = {"id": "eve", "name": "Eve", "roles": ["risk"], "key": "k", "simulated": False, "emails": []}
    assert Person.model_validate(plain).model_dump(mode="json") == plain
    for person in (ANN, BOB):
        assert Person.model_validate(person.model_dump(mode="json")) == person
    with pytest.raises(ValueError, match="until"):
        Person(id="eve", name="Eve", roles=(), key="k", until="2026-01-01")
