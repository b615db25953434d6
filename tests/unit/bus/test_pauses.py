"""How long messages gather."""

from __future__ import annotations

from common.bus.pauses import FEW, gathering_s
from hypothesis import given
from hypothesis import strategies as st

COUNTS, SECONDS = st.integers(0, 1_000), st.floats(0, 1_000)


def test_after_a_short_batch_little_gathers() -> None:
    assert gathering_s(1, 0.01, 0.2) == 0.04


def test_after_a_long_one_no_more_than_the_service_allows() -> None:
    assert gathering_s(1, 3.0, 0.2) == 0.2
    assert gathering_s(FEW + 1, 0.01, 0.2) == 0.2


@given(COUNTS, SECONDS, SECONDS)
def test_who_gathers_nothing_never_pauses_and_nobody_longer_than_allowed(
    count: int, took: float, most: float
) -> None:
    assert gathering_s(count, took, 0) == 0
    assert 0 <= gathering_s(count, took, most) <= most


@given(COUNTS, COUNTS, SECONDS, SECONDS, SECONDS)
def test_a_longer_batch_never_shortens_the_pause(
    count: int, plus: int, took: float, more: float, most: float
) -> None:
    assert gathering_s(count, took, most) <= gathering_s(count + plus, took + more, most)
