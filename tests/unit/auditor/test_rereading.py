"""Which events of a case were known when one of them was the newest: against the same said plainly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auditor.core.rereading import MOST_LATE, beginnings, certain
from common.cases import Said
from common.clock import instant
from common.events import Event, EventData, Origin, new_event
from common.events.observer import EntityObserved
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2023, 7, 1, tzinfo=UTC)


def observed(position: int, minute: int, sequence: int | None = None) -> Said[EntityObserved]:
    at = START + timedelta(minutes=minute)
    data = EntityObserved(
        entity_type="request", key="R", feed="desk", row={}, source_time=instant(at), upstream_id=str(position),
        sequence=sequence,
    )  # fmt: skip
    event = new_event(
        data, "entity/request/R", Origin(source="observer", actor="x", time=START, asof=START), str(position)
    )
    return Said(position, event, data)


streams = st.lists(st.integers(0, 6), min_size=1, max_size=9).map(
    lambda minutes: [observed(2 * place, minute) for place, minute in enumerate(minutes)]
)


@given(streams, st.data())
def test_what_was_known_has_the_cited_event_as_its_newest_and_all_that_was_certain(
    stream: list[Said[EntityObserved]], chance: st.DataObject
) -> None:
    cited, least = chance.draw(st.sampled_from(stream)), chance.draw(st.integers(-1, 20))
    expected = [
        count
        for count in range(len(stream), 0, -1)
        if max(stream[:count], key=lambda said: (said.data.source_time, said.event.id)) == cited
        and all(said.position > least for said in stream[count:])
    ]
    assert beginnings(stream, cited, least) == expected


def test_only_so_many_beginnings_are_tried() -> None:
    stream = [observed(0, 1_000), *(observed(place, place) for place in range(1, 300))]
    assert beginnings(stream, stream[0], -1) == list(range(300, 300 - MOST_LATE, -1))


def test_events_of_one_time_stand_in_the_order_of_their_sequence() -> None:
    stream = [observed(0, 5, 1), observed(1, 5, 2)]
    assert (beginnings(stream, stream[0], -1), beginnings(stream, stream[1], -1)) == ([1], [2])


def said(position: int, source: str, cause: int | None, subject: str = "gap/c") -> Said[EventData]:
    event = Event(
        id=str(position), source=source, type="t", subject=subject, time="", asof="", actor="a", data={},
        causationid=None if cause is None else str(cause),
    )  # fmt: skip
    return Said(position, event, EventData())


def test_a_service_had_read_what_led_to_its_decision() -> None:
    stream = "entity/request/R"
    known = [
        said(0, "observer", None, stream),
        said(1, "differ", 0),
        said(2, "approver", 1),
        said(3, "planner", 2),
        said(4, "planner", 3),
        said(5, "differ", 2),
        said(6, "auditor", 9),
    ]
    by_id = {item.event.id: item for item in known}
    assert [certain(by_id, item, stream) for item in known] == [-1, 0, -1, 2, 2, -1, -1]
    assert certain(by_id, said(7, "auditor", 0), stream) == 0
    assert certain({"6": said(6, "auditor", 6)}, said(7, "auditor", 6), stream) == -1, "a circle ends"
