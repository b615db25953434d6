"""One bad message fails alone; what may pass is tried again, for a bounded time."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import asyncpg
import pytest
from common import failpoints
from common.bus import engine
from common.bus.engine import in_halves, patiently
from common.bus.errors import is_transient, reason_of
from common.errors import Permanent, Transient
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.booleans(), max_size=40))
async def test_every_good_message_is_handled_once_and_every_bad_one_is_buried(bad: list[bool]) -> None:
    handled: list[int] = []
    buried: list[int] = []

    async def handle(part: Sequence[int]) -> None:
        if any(bad[number] for number in part):
            raise Permanent("poison", "no")
        handled.extend(part)

    async def bury(number: int, error: BaseException) -> None:
        assert reason_of(error) == ("poison", "no")
        buried.append(number)

    await in_halves(range(len(bad)), handle, bury)
    assert handled == [number for number, is_bad in enumerate(bad) if not is_bad]
    assert buried == [number for number, is_bad in enumerate(bad) if is_bad]


async def test_what_may_pass_is_nobodys_fault() -> None:
    async def handle(part: Sequence[int]) -> None:
        raise Transient("away", "the database is away")

    async def bury(number: int, error: BaseException) -> None:
        pytest.fail("buried")

    with pytest.raises(Transient):
        await in_halves([1, 2, 3], handle, bury)


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_PAUSE_S", 0.001)
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError("no route")

    with pytest.raises(Transient, match="stops after") as caught:
        await patiently("x", attempt, retry_for_s=0.02)
    assert caught.value.reason_code == "no_answer"
    assert attempts > 1


async def test_patience_is_not_for_what_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await patiently("x", attempt)
    assert attempts == 1


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Transient("x", "y"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (asyncpg.DeadlockDetectedError("x"), True),
        (asyncpg.LockNotAvailableError("x"), True),
        (asyncpg.CannotConnectNowError("x"), True),
        (asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"), True),
        (asyncpg.UniqueViolationError("x"), False),
        (asyncpg.InsufficientPrivilegeError("x"), False),
        (asyncpg.DataError("x"), False),
        (Permanent("x", "y"), False),
        (ValueError("x"), False),
    ],
)
def test_the_two_families(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize("text", ["x", "x=", "x=0", "x=-1", "x=one", "=1=2"])
def test_a_failpoint_that_is_written_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TRUEUP_FAILPOINTS"):
        failpoints.arm(text)


def test_a_failpoint_kills_at_its_hit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(number))
    failpoints.arm("a.b=2, c.d=1")
    try:
        for name in ("a.b", "x.y", "a.b", "a.b"):
            failpoints.failpoint(name)
            if name == "x.y":
                assert killed == []
        assert killed == [signal.SIGKILL]
    finally:
        failpoints.arm("")
