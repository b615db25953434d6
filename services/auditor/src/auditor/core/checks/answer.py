"""The answer to one question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is stable; `detail` says in plain words what was checked and found. `ok` None: it was not checked,
    and `detail` says why and how to have it checked."""

    name: str
    ok: bool | None
    detail: str


class Failed(Exception):
    """What was asked does not hold; the message says what was found instead."""


def demand(holds: bool, otherwise: str) -> None:
    """Raise `Failed` with `otherwise` unless it holds."""
    if not holds:
        raise Failed(otherwise)
