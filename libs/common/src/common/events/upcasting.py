"""Reading what older releases wrote: a stored event never changes, its data is read as the newest version's.

A type's name carries its version (`trueup.gap.opened.v1`). When a model changes shape it gets the next version, and
`STEPS` a pure function that makes the next version's data from the older one's; steps chain, v1 to v2 to v3.
`EventData.of` and `typed` are the one place where they are applied. The event itself stays as it is stored: digests,
signatures and the Merkle tree are over what was said then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from common.errors import Permanent

Step: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Data of one version to data of the next. Pure: no clock, no I/O, and what it is given stays as it is."""

STEPS: dict[str, Step] = {}
"""By the older type's name; the newer one has the next number."""

_VERSIONED = re.compile(r"(.+\.v)([1-9][0-9]*)")


class UnknownEventType(Permanent):
    """An event of a type, or of a version of it, that this release can't read (`event_type_unknown`)."""


def following(type_: str) -> str:
    """The name of the next version of a type. Raises `UnknownEventType` for a name without a version."""
    found = _VERSIONED.fullmatch(type_)
    if found is None:
        raise UnknownEventType(
            "event_type_unknown", f"the event type {type_!r} does not end in a version such as .v1"
        )
    return f"{found[1]}{int(found[2]) + 1}"


def newest(type_: str, steps: Mapping[str, Step] = STEPS) -> str:
    """The version as which events of this type are read; itself when nothing follows it."""
    while type_ in steps:
        type_ = following(type_)
    return type_


def names(type_: str, steps: Mapping[str, Step] = STEPS) -> tuple[str, ...]:
    """All names under which events are stored that are read as `type_`, the newest version: the oldest first. For
    what asks for events by the name that they are stored under, as SQL does."""
    older = [name for name in steps if name != type_ and newest(name, steps) == type_]
    return (*sorted(older, key=lambda name: int(name.rpartition("v")[2])), type_)


def upcast(type_: str, data: dict[str, Any], steps: Mapping[str, Step] = STEPS) -> tuple[str, dict[str, Any]]:
    """The newest version's name, and the data in its shape. `data` is left as it is."""
    while (step := steps.get(type_)) is not None:
        type_, data = following(type_), step(data)
    return type_, data
