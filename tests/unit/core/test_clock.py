"""Two clocks that are compared, and what a clock that is off does to work that needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from common.clock import TOLERANCE, apart
from common.errors import Permanent, Transient
from common.jobs import MOST_ATTEMPTS, Job, JobQueue, try_again
from common.ledger import CLOCK_OFF, AppendRefused

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("off", "word"),
    [
        (timedelta(0), ""),
        (TOLERANCE, ""),
        (-TOLERANCE, ""),
        (TOLERANCE + timedelta(seconds=1), "301 s ahead of"),
        (-timedelta(hours=1), "3600 s behind"),
    ],
)
def test_clocks_may_differ_by_what_the_ledger_takes(off: timedelta, word: str) -> None:
    said = apart(NOON + off, NOON)
    assert bool(said) is bool(word)
    assert word in said


@pytest.mark.parametrize(
    ("code", "family"),
    [("version_conflict", Transient), (CLOCK_OFF, Transient), ("forbidden_stream", Permanent), ("x", Permanent)],
)
def test_a_refused_append_may_pass_when_the_event_is_not_to_blame(code: str, family: type[Exception]) -> None:
    error = AppendRefused(code, "told").error()
    assert (type(error), error.reason_code, error.message) == (family, code, "told")


class Ends:
    """A queue that remembers how looks ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.pauses: list[float] = []

    async def park(self, _conn: Any, _job: Job, why: str) -> None:
        self.ends.append(f"parked: {why}")

    async def later(self, _conn: Any, _job: Job, after_s: float, _error: str) -> None:
        self.ends.append("later")
        self.pauses.append(after_s)


class Pool:
    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


async def ends_of(error: Exception, attempts: range) -> Ends:
    queue = Ends()
    for attempt in attempts:
        await try_again(Pool(), cast(JobQueue, queue), Job("a/b/1", "", attempt, 0, ""), error)
    return queue


async def test_what_goes_on_failing_is_parked_and_a_clock_is_waited_for() -> None:
    often = range(1, MOST_ATTEMPTS + 1)
    away = await ends_of(Transient("away", "it is"), often)
    assert away.ends == ["later"] * (MOST_ATTEMPTS - 1) + [
        f"parked: gave up after {MOST_ATTEMPTS} attempts: away: it is"
    ]
    assert away.pauses == sorted(set(away.pauses)), "ever longer"
    off = await ends_of(Transient(CLOCK_OFF, "an hour"), range(1, 2000))
    assert set(off.ends) == {"later"}
    assert max(off.pauses) <= 10
    assert (await ends_of(Transient("lease_lost", "another has it"), often)).ends == []
