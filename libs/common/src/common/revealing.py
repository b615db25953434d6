"""Sealed values of events, opened for a page that a signed-in person reads. The events stay as they are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from common.errors import Permanent
from common.sealing import ERASED, Keys, Subject, is_sealed, unseal

ERASED_WORD = "erased"
CLOSED_WORD = "sealed"


def subjects(data: Any) -> list[Subject]:
    """Whose keys open what is sealed in `data`: event data, or anything that holds some."""
    return sorted({subject for subject, _ in _sealed_parts(data)})


def revealed(data: Any, keys: Keys) -> Any:
    """`data` with sealed values opened; `erased` where the key is destroyed, `sealed` where there is none.

    Opened are the cells of observed rows and the values of facts. A fact that can't be opened is unknown, and why.
    """
    if isinstance(data, list):
        return [revealed(item, keys) for item in data]
    if not isinstance(data, dict):
        return data
    opened = {name: revealed(item, keys) for name, item in data.items()}
    if (subject := _fact_of(data)) is not None:
        value, closed = _open(data["value"], subject, keys)
        return {**opened, "value": value} if not closed else {**opened, "value": None, "unknown": closed}
    if (subject := _row_of(data)) is not None:
        cells = {name: _shown(cell, subject, keys) for name, cell in data["row"].items() if is_sealed(cell)}
        return {**opened, "row": {**data["row"], **cells}}
    return opened


def _sealed_parts(data: Any) -> Iterator[tuple[Subject, str]]:
    if isinstance(data, list):
        for item in data:
            yield from _sealed_parts(item)
    elif isinstance(data, dict):
        if (subject := _fact_of(data)) is not None:
            yield subject, data["value"]
        elif (subject := _row_of(data)) is not None:
            yield from ((subject, cell) for cell in data["row"].values() if is_sealed(cell))
        else:
            for item in data.values():
                yield from _sealed_parts(item)


def _fact_of(data: Mapping[str, Any]) -> Subject | None:
    """The subject, where `data` is a fact whose value is sealed."""
    category, _, rest = str(data.get("stream") or "").partition("/")
    entity_type, _, key = rest.partition("/")
    return (entity_type, key) if category == "entity" and key and is_sealed(data.get("value")) else None


def _row_of(data: Mapping[str, Any]) -> Subject | None:
    """The subject, where `data` is an observation."""
    entity_type, key = data.get("entity_type"), data.get("key")
    observed = isinstance(data.get("row"), dict) and isinstance(entity_type, str) and isinstance(key, str)
    return (str(entity_type), str(key)) if observed else None


def _open(sealed: str, subject: Subject, keys: Keys) -> tuple[Any, str]:
    """The value, or nothing and why not."""
    known = keys.get(subject)
    if sealed == ERASED or (known is not None and known.secret is None):
        return None, ERASED_WORD
    if known is None or known.secret is None:
        return None, CLOSED_WORD
    try:
        return unseal(sealed, known.secret, subject), ""
    except Permanent:
        return None, CLOSED_WORD


def _shown(sealed: str, subject: Subject, keys: Keys) -> Any:
    value, closed = _open(sealed, subject, keys)
    return closed or value
