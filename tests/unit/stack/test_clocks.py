"""What `trueup up` is told of clock and time zone is checked before anything starts, and never silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.stack import clocks, operations
from cli.stack.errors import StackError


def code(clock: str | None, timezone: str | None) -> str:
    with pytest.raises(StackError) as refusal:
        clocks.checked(clock, timezone)
    assert refusal.value.what_to_do
    return refusal.value.reason_code


def test_what_is_right_is_written_as_the_realm_will_write_it() -> None:
    assert clocks.checked(None, None) == (None, None)
    asked = clocks.checked("replay:2023-07-03T09:00:00-04:00", "America/New_York")
    assert asked == ("replay:2023-07-03T13:00:00Z", "America/New_York")
    assert clocks.checked("wall", "UTC") == ("wall", "UTC")


@pytest.mark.parametrize("clock", ["replay:2023", "replay:", "replay:2023-07-03", "sundial", "", "wall:"])
def test_what_is_no_clock_is_refused(clock: str) -> None:
    assert code(clock, None) == "bad_clock"


@pytest.mark.parametrize("zone", ["Foo/Bar", "", "../UTC", "/etc/localtime", "America"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    assert code(None, zone) == "bad_timezone"


def test_nothing_is_made_for_a_realm_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="bad_timezone"):
        operations.up(tmp_path / "new", timezone="Foo/Bar")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_can_not_be_one_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="data_folder_unusable"):
        operations.up(tmp_path / name)
    assert not operations.status(tmp_path / name).running


@pytest.mark.parametrize(
    ("clock", "timezone", "what"),
    [("wall", None, "--clock"), (None, "UTC", "--timezone"), ("wall", "UTC", "--clock")],
)
def test_a_realm_keeps_its_clock_and_zone(clock: str | None, timezone: str | None, what: str) -> None:
    has = ("replay:2023-07-03T13:00:00Z", "America/New_York")
    clocks.refuse_other(None, None, "demo", has)
    clocks.refuse_other(*has, "demo", has)
    with pytest.raises(StackError, match=what) as refusal:
        clocks.refuse_other(clock, timezone, "demo", has)
    assert refusal.value.reason_code == "stack_differs"
