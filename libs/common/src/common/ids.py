"""Names that derive from their cause, so that doing a thing twice names it once."""

from __future__ import annotations

import hashlib
import re

_SAFE = re.compile(r"[^\s/\x00-\x1f\x7f]+")
MAX_KEY = 200


def event_id(event_type: str, stream: str, *cause: str) -> str:
    """The id of the event of `event_type` on `stream` that `cause` (ids, instants, step numbers) brings about."""
    text = "\n".join((event_type, stream, *cause))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_key(value: str) -> bool:
    """Whether `value` may be an entity key: 1 to 200 characters, no white space, no control character, no slash."""
    return 0 < len(value) <= MAX_KEY and _SAFE.fullmatch(value) is not None


def entity_stream(entity_type: str, key: str) -> str:
    return f"entity/{entity_type}/{key}"


def source_stream(feed: str) -> str:
    return f"source/{feed}"


def declaration_stream(kind: str, name: str) -> str:
    return f"declaration/{kind}/{name}"


def erasure_stream(entity_type: str, key: str) -> str:
    """Where people ask for, and approve, the erasure of one subject."""
    return f"erasure/{entity_type}/{key}"


def erased_stream(entity_type: str, key: str) -> str:
    """Where the observer says that it was done."""
    return f"erased/{entity_type}/{key}"


def preview_stream(proposal: str) -> str:
    """Where the differ says what a proposal would change."""
    return f"preview/{proposal}"


REALM_STREAM = "realm"


def case_id(desired_state: str, key: str, occurrence: int) -> str:
    """`money-findings-closed/2022-090/1`: one entity, one desired state, one occurrence of being out of it."""
    return f"{desired_state}/{key}/{occurrence}"


def category(stream: str) -> str:
    """The stream's category, to which one service alone may write: its first segment."""
    return stream.partition("/")[0]
