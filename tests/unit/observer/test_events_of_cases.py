"""Rows that are events: each must say what happened, and none is part of a snapshot."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from common.clock import parse_instant
from observer.core.messages import Message, read
from observer.core.rejections import Rejected
from observer.core.snapshots import in_snapshot
from observer.core.sources import EntityRule

RULES = {"application": EntityRule("case", "loans", events=("what", "time"))}


def received(**cells: Any) -> Message:
    data = {"entity_type": "application", "row": {"case": "7", **cells}}
    event = {
        "specversion": "1.0", "id": "s/1", "source": "loans", "type": "trueup.upstream.observed.v1",
        "time": "2012-02-01T00:00:00Z", "data": data,
    }  # fmt: skip
    message = read(orjson.dumps(event), RULES, parse_instant("2012-03-01T00:00:00Z"))
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("cells", [{}, {"what": ""}, {"what": None}, {"what": 7}, {"what": ["A"]}])
def test_an_event_that_does_not_say_what_happened_is_refused(cells: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        received(**cells)
    assert caught.value.reason_code == "activity_missing"
    assert received(what="A").row == {"case": "7", "what": "A"}


def test_an_event_is_no_part_of_a_snapshot() -> None:
    refused = in_snapshot(received(what="A"), "s", RULES)
    assert isinstance(refused, Rejected) and refused.reason_code == "snapshot_of_log"
