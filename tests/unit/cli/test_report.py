"""`trueup report`: what moved, in words."""

from __future__ import annotations

from typing import Any

import pytest
from cli.audit import report
from cli.audit.report import moved, span, told
from common.errors import Refused

BASELINE = {"at": "2023-07-03T00:00:00Z", "value": "47/1", "says": "47", "population": 47}


def objective(**changes: Any) -> dict[str, Any]:
    data = {
        "desired_state": "money",
        "objective": "none-open",
        "standing": "behind",
        "value": "40/1",
        "says": "40 of 47",
        "wanted": "at most 0 wanted by 31 December 2023",
        "population": 47,
        "unknown": 0,
        "baseline": BASELINE,
    }
    return {"asof": "2023-09-30T00:00:00Z", "id": "e-1", "data": data | changes}


def test_without_an_earlier_month_it_is_told_from_the_baseline() -> None:
    line = told(objective(), None)
    assert (line["baseline"], line["before"]) == ("47 on 3 July 2023", None)
    assert line["moved"] == "47 → 40 of 47 (better)"


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ({"value": "30/1", "says": "30 of 47"}, {}, "30 of 47 → 40 of 47 (worse)"),
        ({}, {}, "the same as before"),
        ({"population": 50}, {}, "population 50 → 47"),
        ({"standing": "on track"}, {}, "on track → behind"),
        ({"value": None, "says": "nothing yet"}, {}, "nothing yet → 40 of 47"),
        ({"value": "1/2", "says": "50 %"}, {"value": "3/4", "says": "75 %", "wanted": "at least 90 % wanted"},
         "50 % → 75 % (better)"),
    ],
)  # fmt: skip
def test_what_moved(then: dict[str, Any], now: dict[str, Any], words: str) -> None:
    assert moved(objective(**now)["data"], objective(**then)["data"], "before") == words


def test_a_month_is_from_its_first_moment_to_that_of_the_next() -> None:
    assert span("2023-12") == ("2023-12-01T00:00:00Z", "2024-01-01T00:00:00Z")
    assert span(None) == (None, None)
    with pytest.raises(Refused, match="2023-13"):
        span("2023-13")


def test_every_standing_has_a_colour() -> None:
    assert set(report._STYLES) == {"met", "on track", "behind", "missed", "undecided"}


def against(*keys: str, others: int = 0) -> dict[str, Any]:
    return {"against": {"keys": list(keys), "others": others}}


def test_what_moved_names_who_left_and_who_came() -> None:
    then, now = objective(**against("F-1", "F-2", "F-3")), objective(**against("F-3", "F-4"))
    told = "no longer against it: F-1, F-2; newly against it: F-4"
    assert moved(now["data"], then["data"], "before") == told
    many = objective(**against(*[f"F-{n}" for n in range(9)], others=1))
    told = "newly against it among the worst: F-0, F-2, F-3, F-4, F-5 and 3 more"
    assert moved(many["data"], objective(**against("F-1"))["data"], "before") == told
    assert moved(now["data"], objective()["data"], "before") == "the same as before", "one release did not say who"
