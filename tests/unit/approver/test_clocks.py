"""The realm's clock: fixed once, moved forward by its keeper only."""

from __future__ import annotations

import pytest
from approver.core.clocks import advanced, check_keeper, created
from common.clock import RealmClock
from common.directory import Person
from common.errors import Permanent, Refused
from support.walk import at

REPLAY = RealmClock("replay", at("2023-07-03 00:00"))


def test_a_realm_is_created_with_a_wall_or_a_replay_clock() -> None:
    assert created("demo", "wall", "UTC").start is None
    replay = created("demo", "replay:2023-07-03T00:00:00-04:00", "America/New_York")
    assert (replay.mode, replay.start, replay.timezone) == ("replay", "2023-07-03T04:00:00Z", "America/New_York")


@pytest.mark.parametrize("clock", ["replay", "replay:", "replay:yesterday", "replay:2023-07-03", "sundial"])
def test_a_clock_that_says_nothing_clear_is_refused(clock: str) -> None:
    with pytest.raises(Permanent, match="bad_clock"):
        created("demo", clock, "UTC")


@pytest.mark.parametrize("zone", ["Foo/Bar", "", "../etc/passwd"])
def test_a_realm_is_never_created_in_a_zone_that_there_is_not(zone: str) -> None:
    with pytest.raises(Permanent, match="bad_timezone"):
        created("demo", "wall", zone)


def test_a_replay_clock_moves_forward() -> None:
    moved = advanced(REPLAY, "2023-07-15T00:00:00Z")
    assert (moved.was, moved.now) == ("2023-07-03T00:00:00Z", "2023-07-15T00:00:00Z")


@pytest.mark.parametrize(
    ("clock", "to", "code"),
    [
        (RealmClock(), "2023-07-15T00:00:00Z", "wall_clock"),
        (REPLAY, "2023-07-03T00:00:00Z", "not_forward"),
        (REPLAY, "2023-07-02T00:00:00Z", "not_forward"),
        (REPLAY, "tomorrow", "malformed_request"),
        (REPLAY, "2023-07-15T00:00:00", "malformed_request"),
    ],
)
def test_a_clock_is_not_moved(clock: RealmClock, to: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        advanced(clock, to)
    assert caught.value.reason_code == code


def test_only_its_keeper_moves_the_clock() -> None:
    check_keeper(Person(id="a", name="A", roles=("clock-keeper",), key=""))
    with pytest.raises(Refused, match="role_not_held"):
        check_keeper(Person(id="b", name="B", roles=("risk",), key=""))
