"""Which observation counts does not depend on how observations arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.declarations.known import Counted
from common.declarations.relations import with_relations
from common.entities.links import named
from common.entities.rows import StoredEntity, newest, order_of, read_observation, read_report, seen_as_of
from common.entities.views import fresh_until, view_of
from common.errors import Permanent
from common.events import Event
from common.events.observer import EntityObserved, EntityWithdrawn, SourceReported
from common.ledger import Recorded
from hypothesis import given
from hypothesis import strategies as st
from support.casework import findings_catalogue

T0 = datetime(2023, 7, 1, tzinfo=UTC)


def event(type_: str, data: dict[str, Any], id_: str = "e") -> Event:
    return Event(
        id=id_,
        source="observer",
        type=type_,
        subject="entity/finding/F-1",
        time="2023-07-01T00:00:00Z",
        asof="2023-07-01T00:00:00Z",
        actor="feed:f",
        data=data,
    )


def recorded(id_: str, minute: int, sequence: int | None, withdrawn: bool = False, key: str = "F-1") -> Recorded:
    data: dict[str, Any] = {
        "entity_type": "finding",
        "key": key,
        "feed": "f",
        "source_time": f"2023-07-01T00:{minute:02}:00Z",
        "upstream_id": id_,
    }
    if sequence is not None:
        data["sequence"] = sequence
    if not withdrawn:
        data["row"] = {"said": id_}
    type_ = EntityWithdrawn.TYPE if withdrawn else EntityObserved.TYPE
    return Recorded(0, event(type_, data, id_), b"")


ARRIVED = st.builds(
    recorded,
    st.text("abcdef", min_size=1, max_size=3),
    st.integers(0, 3),
    st.none() | st.integers(0, 2),
    st.booleans(),
    st.sampled_from(["F-1", "F-2"]),
)


@given(st.data(), st.lists(ARRIVED, max_size=12, unique_by=lambda item: item.event.id))
def test_the_newest_counts_in_any_order_and_however_often(data: st.DataObject, arrived: list[Recorded]) -> None:
    observations = [item for item in map(read_observation, arrived) if item is not None]
    shuffled = data.draw(st.permutations(observations))
    again = data.draw(st.lists(st.sampled_from(observations), max_size=5)) if observations else []
    expected = {}
    for item in sorted(observations, key=lambda item: item.order):
        expected[item.ref] = item
    assert newest([*shuffled, *again]) == expected


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (order_of(T0, 9, "z"), order_of(T0 + timedelta(seconds=1), 1, "a")),
        (order_of(T0, 1, "z"), order_of(T0, 2, "a")),
        (order_of(T0, None, "z"), order_of(T0, -5, "a")),
        (order_of(T0, 1, "a"), order_of(T0, 1, "b")),
    ],
)
def test_source_time_then_sequence_then_id_decide(older: Any, newer: Any) -> None:
    assert older < newer


def test_source_times_of_different_precision_and_zone_are_compared_as_instants() -> None:
    early = recorded("a", 0, None)
    early.event.data["source_time"] = "2023-07-01T02:00:00.5+02:00"
    late = recorded("b", 0, None)
    late.event.data["source_time"] = "2023-07-01T00:00:00.500001Z"
    best = newest([item for item in map(read_observation, (late, early)) if item])
    assert best[("finding", "F-1")].recorded is late


def test_an_event_that_is_no_observation_is_passed_over_and_a_broken_one_is_refused() -> None:
    assert read_observation(Recorded(0, event(SourceReported.TYPE, {}), b"")) is None
    assert read_report(recorded("a", 0, None)) is None
    broken = event(EntityObserved.TYPE, {"entity_type": "finding", "key": "F-1"})
    with pytest.raises(Permanent, match="malformed_event"):
        read_observation(Recorded(0, broken, b""))
    with pytest.raises(Permanent, match="malformed_event"):
        read_report(Recorded(0, event(SourceReported.TYPE, {"feed": "f"}), b""))


def test_the_latest_snapshot_that_names_a_key_counts() -> None:
    def report(day: int, position: int, *keys: str) -> Recorded:
        data = SourceReported(
            feed="f", entity_type="finding", snapshot=str(day), as_of=f"2023-07-{day:02}T00:00:00Z", rows=1,
            rows_digest="0", complete=True, refreshed=list(keys), stored=["S"],
        )  # fmt: skip
        return Recorded(position, event(SourceReported.TYPE, data.model_dump(exclude_none=True)), b"")

    reports = [read_report(item) for item in (report(5, 1, "A", "B"), report(3, 2, "A", "C"))]
    seen = seen_as_of(item for item in reports if item)
    assert {ref[1]: item.as_of.day for ref, item in seen.items()} == {"A": 5, "B": 5, "C": 3, "S": 5}


def entity(**changes: Any) -> StoredEntity:
    fields: dict[str, Any] = {
        "ref": ("finding", "F-1"),
        "row": {"prior_references": "2021-001, 2021-002, 2021-001"},
        "feed": "f",
        "source_time": T0,
        "event_id": "e",
        "position": 7,
        "as_of": T0,
        "missing": None,
        "withdrawn": False,
    }
    return StoredEntity(**{**fields, **changes})


def test_a_row_is_fresh_until_the_declared_time_after_its_feed_last_held_it() -> None:
    spec = findings_catalogue().entity_types["finding"]
    seen = T0 + timedelta(days=3)
    assert fresh_until(spec, entity(as_of=seen)) == seen + timedelta(days=35)
    assert fresh_until(spec.model_copy(update={"fresh_for": None}), entity()) is None


def test_a_row_missing_from_a_later_snapshot_is_stale_from_then_on() -> None:
    spec = findings_catalogue().entity_types["finding"]
    gone = T0 + timedelta(days=1)
    assert fresh_until(spec, entity(missing=gone)) == gone
    assert fresh_until(spec.model_copy(update={"fresh_for": None}), entity(missing=gone)) == gone


def test_a_view_names_the_observation_it_was_read_from() -> None:
    catalogue = findings_catalogue()
    spec, reader = catalogue.entity_types["finding"], catalogue.readers["finding"]
    view = with_relations(view_of(spec, reader, entity()), catalogue.relations["finding"], {})
    assert view.origin is not None
    assert (view.origin.stream, view.origin.event_id) == ("entity/finding/F-1", "e")
    assert view.values["follows"] == ("2021-001", "2021-002", "2021-001")
    assert view.related["recurrences"] == Counted(0)


def test_links_name_each_key_once_and_a_withdrawn_entity_names_none() -> None:
    reader = findings_catalogue().readers["finding"]
    assert named(reader, ["follows"], entity().row) == {"follows": ("2021-001", "2021-002")}
    assert named(reader, ["follows"], None) == {}
