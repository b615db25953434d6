"""What is known of a feed, and from when on it can't be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from common.clock import instant, parse_instant
from common.declarations.handling import Source
from common.entities.rows import Observation
from common.entities.sources import SourceState, heard_in, in_doubt, limit_of, reliability
from common.events.envelope import Event
from common.events.observer import Doubt, SourceCounted, SourceJudged
from common.ids import source_stream
from common.ledger import Recorded
from hypothesis import given
from hypothesis import strategies as st

NOW = parse_instant("2023-07-03T00:00:00Z")
DAILY = Source.model_validate({"about": "A tracker.", "quietAfter": "26 hours"})
DOUBT = Doubt(
    reason_code="rows_missing", since=instant(NOW - timedelta(hours=3)), says="2 rows", entity_type="finding"
)


def recorded(position: int, type_: str, data: dict[str, Any]) -> Recorded:
    event = Event(
        id=str(position), source="observer", type=type_, subject=source_stream("f"), time=instant(NOW),
        asof=instant(NOW), actor="feed:f", data={"feed": "f", **data},
    )  # fmt: skip
    return Recorded(position, event, b"")


def judgement(position: int, *doubts: Doubt) -> Recorded:
    return recorded(position, SourceJudged.TYPE, {"doubts": [item.model_dump(mode="json") for item in doubts]})


def observed(position: int, hours: int) -> Observation:
    moment = NOW + timedelta(hours=hours)
    return Observation(("finding", "F-1"), "f", {}, (moment, 0, str(position)), recorded(position, "x", {}))


def counted(position: int, hours: int) -> Recorded:
    return recorded(position, SourceCounted.TYPE, {"as_of": instant(NOW + timedelta(hours=hours))})


def merged(parts: Sequence[dict[str, SourceState]]) -> SourceState:
    """As the table does it."""
    state = SourceState("f", parse_instant("0001-01-01T00:00:00Z"))
    for said in (part["f"] for part in parts if part):
        last = said if said.judged > state.judged else state
        state = SourceState("f", max(state.heard, said.heard), last.doubts, last.judged)
    return state


@given(st.lists(st.integers(-50, 0), max_size=6), st.lists(st.booleans(), max_size=4), st.data())
def test_any_order_repetition_and_split_comes_to_the_same(
    hours: list[int], judgements: list[bool], data: st.DataObject
) -> None:
    seen = [observed(number, hour) for number, hour in enumerate(hours) if hour % 2]
    others = [counted(number, hour) for number, hour in enumerate(hours) if not hour % 2]
    others += [judgement(100 + number, *([DOUBT] if doubted else [])) for number, doubted in enumerate(judgements)]
    whole = merged([heard_in(seen, others)])
    events: list[Any] = data.draw(st.permutations([*seen, *others, *others[:2]]))
    cut = data.draw(st.integers(0, len(events)))
    parts = [
        heard_in([e for e in part if isinstance(e, Observation)], [e for e in part if isinstance(e, Recorded)])
        for part in (events[:cut], events[cut:])
    ]
    assert merged(parts) == whole
    assert whole.doubts == ((DOUBT,) if judgements and judgements[-1] else ())
    if hours:
        assert whole.heard == NOW + timedelta(hours=max(hours))


def test_a_source_is_quiet_from_its_own_last_word_on() -> None:
    state = SourceState("f", NOW)
    limit = limit_of(state, DAILY, "f", "finding")
    assert limit is not None
    assert limit.at == NOW + timedelta(hours=26)
    assert limit.reason == "source_quiet: f has said nothing since 2023-07-03 00:00 UTC"
    assert limit_of(state, None, "f", "finding") is None
    assert in_doubt(state, DAILY, limit.at - timedelta(microseconds=1)) == ()
    assert in_doubt(state, DAILY, limit.at) == ("quiet",)
    assert limit_of(None, DAILY, "f", "finding") is not None, "of a source that never spoke nothing can be told"
    assert in_doubt(None, DAILY, NOW) == ("quiet",)


def test_dropped_rows_are_about_their_type_and_the_earliest_reason_is_told() -> None:
    state = SourceState("f", NOW - timedelta(days=9), (DOUBT,), 7)
    dropped = limit_of(state, None, "f", "finding")
    assert dropped is not None
    assert (dropped.at, dropped.reason) == (NOW - timedelta(hours=3), "rows_missing: f: 2 rows")
    assert limit_of(state, None, "f", "retest") is None
    quiet = limit_of(state, DAILY, "f", "finding")
    assert quiet is not None
    assert quiet.reason.startswith("source_quiet: ")
    assert [code for code, _ in reliability("f", state, DAILY, NOW).doubts] == ["source_quiet", "rows_missing"]
