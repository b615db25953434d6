"""An event that is not what its type says spoils its case, with a reason, and is told from a fault of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from common.cases import Case
from common.errors import Permanent
from common.events import Event
from support.walk import Walk

SPOILT: dict[str, dict[str, Any]] = {
    "no data at all": {"data": {}},
    "a field too many": {"data": {"plan": "x", "surprise": 1}},
    "a type that nobody has": {"type": "trueup.plan.wished.v1"},
    "an outcome of an action that was never intended": {
        "type": "trueup.action.succeeded.v1",
        "data": {"case": "x", "plan": "p", "step": 7, "idempotency_key": "k", "receipt": {}},
    },
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT.keys())
def test_an_event_that_is_not_what_its_type_says_is_refused_with_a_code(change: dict[str, Any]) -> None:
    walk = Walk()
    walk.report("2023-07-01 00:00")
    walk.open_gap()
    walk.events = [event for event in walk.events if event.caseid == walk.id]
    first: Event = walk.events[0]
    spoilt = replace(first, **{"id": "f" * 32, "type": "trueup.plan.drafted.v1", **change})
    with pytest.raises(Permanent) as refused:
        Case.fold(walk.id, [*enumerate(walk.events), (len(walk.events), spoilt)])
    assert refused.value.reason_code == "case_unreadable"
    assert f"at {len(walk.events)} of case {walk.id}" in refused.value.message
