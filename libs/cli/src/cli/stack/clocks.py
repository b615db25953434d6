"""The realm's clock and time zone, as `trueup up` is told them: checked before anything starts, and never changed.

Both are fixed when the realm is created, as its first event. Who asks for others later is refused, not ignored.
"""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from common.clock import instant, parse_instant
from common.ids import REALM_STREAM

from cli.stack import cluster
from cli.stack.errors import StackError

WALL, ZONE = "wall", "UTC"


def checked(clock: str | None, timezone: str | None) -> tuple[str | None, str | None]:
    """Both as the realm will write them; None stays None: whatever the realm has.

    Raises `StackError` (`bad_clock`, `bad_timezone`).
    """
    return (None if clock is None else _clock(clock)), (None if timezone is None else _zone(timezone))


def _clock(text: str) -> str:
    kind, _, start = text.partition(":")
    if text == WALL:
        return text
    what_to_do = "Write wall, or replay:2023-07-03T00:00:00Z."
    if kind != "replay":
        raise StackError("bad_clock", f"{text!r} is no clock.", what_to_do)
    try:
        return f"replay:{instant(parse_instant(start))}"
    except ValueError as error:
        raise StackError("bad_clock", f"{text!r} is no clock: {error}.", what_to_do) from error


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        raise StackError(
            "bad_timezone", f"{name!r} is not a time zone.", "Use a name such as America/New_York or UTC."
        ) from error


def refuse_other(clock: str | None, timezone: str | None, realm: str, has: tuple[str, str]) -> None:
    """Raise `StackError` (`stack_differs`) if the realm, which `has` a clock and a zone, is asked to have another."""
    for asked, what, there in ((clock, "clock", has[0]), (timezone, "time zone", has[1])):
        if asked is not None and asked != there:
            raise StackError(
                "stack_differs",
                f"The {what} of realm {realm} is {there}, not {asked}; it was fixed when the realm was created.",
                f"Leave --{what.replace(' ', '')} out, or give a new realm a folder of its own: --data.",
            )


def of_realm(database_url: str) -> tuple[str, str] | None:
    """Clock and time zone of the realm in that database; None before it is created."""
    return cluster.run(_of_realm(database_url))


async def _of_realm(url: str) -> tuple[str, str] | None:
    connection: Any = await asyncpg.connect(url)
    try:
        stored = await connection.fetchval(
            "SELECT event FROM ledger.events WHERE stream = $1 AND version = 1", REALM_STREAM
        )
    finally:
        await connection.close()
    if stored is None:
        return None
    data = json.loads(stored)["data"]
    return (f"replay:{data['start']}" if data["mode"] == "replay" else WALL), str(data["timezone"])
