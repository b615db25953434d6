"""That a gap had been met for the declared time is told and checked, and how often that had not lasted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from auditor.core import timeline
from auditor.core.attestation import Attestation
from common.clock import instant
from common.events import Event
from common.events.differ import GapClosed, GapMet, Steady
from support import walk as walks
from support.casework import FINDINGS, catalogue_of
from support.walk import Walk, at

from .forging import altered, failures, forged, index_of, issued

TEXT = FINDINGS.read_text().replace("\n  verification:", "\n  steady: 2 hours\n  verification:", 1)


def opened() -> Walk:
    """The gap is met for an hour, and fails again."""
    walk = Walk(catalogue=catalogue_of(TEXT))
    walk.found()
    walk.declare(TEXT)
    walk.report("2023-07-01 00:00")
    walk.asof = at("2023-07-03 00:00")
    walk.open_gap()
    walk.meet_gap(at("2023-07-03 02:00"))
    walk.asof = at("2023-07-03 01:00")
    walk.open_gap()
    return walk


def waits(walk: Walk, _reason: str = "met") -> Event:
    """It has been met for two hours when it closes."""
    since = walk.asof - timedelta(hours=2)
    walk.asof = since
    walk.meet_gap(since + timedelta(hours=2))
    walk.asof = since + timedelta(hours=2)
    return walk.closes("met", steady=Steady(since=instant(since), until=instant(walk.asof)))


@pytest.fixture(scope="module")
def walk() -> Walk:
    """Walked once: every test reads it, and forges copies."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Walk, "close_gap", waits)
        return walks.to_the_end(walks.carried_out(walks.through_the_gates(opened())))


def test_the_narrative_says_since_when_for_how_long_and_how_often_it_had_not_lasted(walk: Walk) -> None:
    made: Attestation = issued(walk)
    text = " ".join(made.narrative.split())
    assert (
        "It had been met since 20 September 2023 at 10:00, and without a break for 2 hours; "
        "before that it had been met once, and had failed again ["
    ) in text
    assert failures(made.encode()) == set()


def test_the_timeline_tells_it(walk: Walk) -> None:
    first, second = (index_of(walk, GapMet.TYPE, nth) for nth in (0, 1))
    told = "no rule fails since 2023-07-03T00:00:00Z; the gap closes at 2023-07-03T02:00:00Z if that lasts (met)"
    assert timeline.words(walk.ledger[first]) == told
    closed = timeline.words(walk.ledger[index_of(walk, GapClosed.TYPE)])
    assert closed == "no rule fails any more (met, without a break since 2023-09-20T10:00:00Z)"
    again = walk.ledger[first + 1]
    assert timeline.words(again) == "what fails has changed: fixed"
    words = ["it was met from 2023-07-03T00:00:00Z on, and is not any more"]
    again = replace(again, data={**again.data, "changed": words})
    assert timeline.words(again) == f"what fails has changed: fixed ({words[0]})"
    assert second > first


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        (GapClosed.TYPE, {"steady": None}),
        (GapClosed.TYPE, {"steady": {"since": "2023-09-20T09:00:00Z", "until": "2023-09-20T11:00:00Z"}}),
        (GapClosed.TYPE, {"steady": {"since": "2023-09-20T10:00:00Z", "until": "2023-09-20T11:00:00Z"}}),
        (GapClosed.TYPE, {"steady": {"since": "2023-09-20T10:00:00Z", "until": "2023-09-20T13:00:00Z"}}),
        (GapMet.TYPE, {"since": "2023-09-20T08:00:00Z"}),
    ],
)
def test_one_that_had_not_been_met_for_so_long_is_found(walk: Walk, what: str, changed: dict[str, Any]) -> None:
    last = index_of(walk, what, 1 if what == GapMet.TYPE else 0)
    change = {name: value for name, value in changed.items() if value is not None}

    def made(data: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in data.items() if name not in changed}
        return {**kept, **change}

    assert failures(forged(walk, altered(walk, last, made))) == {"proof"}


def test_a_failure_left_out_of_the_waiting_is_found(walk: Walk) -> None:
    """The gap fails again after the last GapMet, and is closed all the same."""
    events = list(walk.ledger)
    again = replace(events[index_of(walk, GapMet.TYPE) + 1], id="f" * 32)
    events.insert(index_of(walk, GapClosed.TYPE), again)
    assert "proof" in failures(forged(walk, events))


def test_closed_before_the_time_was_over_is_found(walk: Walk) -> None:
    events = list(walk.ledger)
    place = index_of(walk, GapClosed.TYPE)
    events[place] = replace(events[place], asof="2023-09-20T11:59:00Z")
    assert "proof" in failures(forged(walk, events))
