"""Old versions of events read as the newest: with types of the tests' own, since no real one has a second version."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
from common.cases import Case
from common.errors import Permanent
from common.events import MODELS, Event, EventData, typed
from common.events.upcasting import STEPS, UnknownEventType, following, newest, upcast
from hypothesis import given
from hypothesis import strategies as st

FAMILY = "trueup.test.measured"


class Measured(EventData):
    """Third version: v1 had `length`, in metres; v2 said `length_m`; v3 asks for a `unit` too."""

    TYPE: ClassVar[str] = f"{FAMILY}.v3"
    CATEGORY: ClassVar[str] = "gap"
    length: int
    unit: str


def renamed(data: dict[str, Any]) -> dict[str, Any]:
    return {"length_m": data["length"]}


def with_unit(data: dict[str, Any]) -> dict[str, Any]:
    return {"length": data["length_m"], "unit": "m"}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, Measured.TYPE, Measured)
    monkeypatch.setitem(STEPS, f"{FAMILY}.v1", renamed)
    monkeypatch.setitem(STEPS, f"{FAMILY}.v2", with_unit)


def an_event(type_: str, data: dict[str, Any]) -> Event:
    return Event(
        id="1", source="differ", type=type_, subject="gap/s/k/1", time="2026-01-01T00:00:00Z",
        asof="2026-01-01T00:00:00Z", actor="service:differ", data=data, caseid="s/k/1",
    )  # fmt: skip


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("version", "data"), [(1, {"length": 7}), (2, {"length_m": 7}), (3, {"length": 7, "unit": "m"})]
)
def test_every_version_reads_as_the_newest_and_stays_as_it_is_stored(version: int, data: dict[str, Any]) -> None:
    event = an_event(f"{FAMILY}.v{version}", data)
    stored = event.encode()
    assert typed(event) == Measured.of(event) == Measured(length=7, unit="m")
    assert event.encode() == stored


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("type_", [f"{FAMILY}.v4", "trueup.nobodys.v1", "trueup.unversioned", ""])
def test_what_this_release_does_not_know_has_a_reason(type_: str) -> None:
    with pytest.raises(UnknownEventType) as caught:
        typed(an_event(type_, {}))
    assert isinstance(caught.value, Permanent)
    assert caught.value.reason_code == "event_type_unknown"
    assert type_ in caught.value.message


@pytest.mark.usefixtures("measured")
def test_an_old_event_that_is_not_what_its_type_says_is_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        typed(an_event(f"{FAMILY}.v2", {"length_m": "seven"}))
    with pytest.raises(ValueError, match="is not trueup"):
        Measured.of(an_event("trueup.gap.closed.v1", {}))


def test_a_case_with_an_event_from_the_future_is_unreadable_and_no_other_is() -> None:
    with pytest.raises(Permanent) as caught:
        Case("s/k/1").apply(0, an_event("trueup.gap.opened.v9", {}))
    assert caught.value.reason_code == "case_unreadable"
    assert "trueup.gap.opened.v9" in caught.value.message


@given(last=st.integers(1, 12), start=st.integers(1, 12), payload=st.dictionaries(st.text(), st.integers()))
def test_steps_run_in_order_each_once_and_leave_the_old_data_alone(
    last: int, start: int, payload: dict[str, Any]
) -> None:
    def step(number: int) -> Any:
        return lambda data: {**data, "\0": [*data.get("\0", []), number]}

    steps = {f"{FAMILY}.v{number}": step(number) for number in range(1, last)}
    before = copy.deepcopy(payload)
    type_, data = upcast(f"{FAMILY}.v{start}", payload, steps)
    assert payload == before
    assert type_ == newest(f"{FAMILY}.v{start}", steps) == f"{FAMILY}.v{max(start, last)}"
    assert data.get("\0", []) == list(range(start, last))


def test_versions_count_up() -> None:
    assert following("trueup.gap.opened.v9") == "trueup.gap.opened.v10"
    for bad in ("trueup.gap.opened", "trueup.gap.opened.v0", "trueup.gap.opened.v", ".v1"):
        with pytest.raises(UnknownEventType):
            following(bad)
